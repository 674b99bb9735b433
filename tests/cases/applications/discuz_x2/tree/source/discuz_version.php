<?php

if(!defined('IN_DISCUZ')) {
	exit('Access Denied');
}

if(!defined('DISCUZ_VERSION')) {
	define('DISCUZ_VERSION', 'X2');
	define('DISCUZ_RELEASE', '20120628');
	define('DISCUZ_FIXBUG', '34000000');
}

?>
