<?php
final class Version
{
	const MAJOR_VERSION = 3;
	const MINOR_VERSION = 9;
	const PATCH_VERSION = 28;
}
