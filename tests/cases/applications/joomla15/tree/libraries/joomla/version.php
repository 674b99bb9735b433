<?php
class JVersion
{
	var $PRODUCT 	= 'Joomla!';
	/** @var string Main Release Level */
	var $RELEASE 	= '1.5';
	var $DEV_STATUS 	= 'Stable';
	var $DEV_LEVEL 	= '26';
}
