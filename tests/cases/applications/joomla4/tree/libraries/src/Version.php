<?php
final class Version
{
    public const MAJOR_VERSION = 4;
    public const MINOR_VERSION = 4;
    public const PATCH_VERSION = 2;
}
