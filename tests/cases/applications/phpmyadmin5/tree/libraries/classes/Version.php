<?php
final class Version
{
    // [set-version:start]
    public const VERSION = '5.2.1';
    public const SERIES = '5.2';
}
