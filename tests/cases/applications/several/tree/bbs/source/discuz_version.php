<?php

if(!defined('IN_DISCUZ')) {
	exit('Access Denied');
}

if(!defined('DISCUZ_VERSION')) {
	define('DISCUZ_VERSION', 'X3.5');
	define('DISCUZ_RELEASE', '20230520');
	define('DISCUZ_FIXBUG', '34000000');
}

?>
