<?php
class YiiBase
{
	public static function getVersion()
	{
		return '1.1.24';
	}
