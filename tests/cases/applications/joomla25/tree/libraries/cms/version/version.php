<?php
final class JVersion
{
	public $PRODUCT = 'Joomla!';
	public $RELEASE = '2.5';
	public $DEV_LEVEL = '28';
}
