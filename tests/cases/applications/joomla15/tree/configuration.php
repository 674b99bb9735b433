<?php
class JConfig {
	var $offline = '0';
	var $sitename = 'School';
	var $dbtype = 'mysqli';
	var $host = 'localhost';
	var $user = 'joom';
	var $password = 'never-Shown-5a1';
	var $db = 'joomla_db';
	var $dbprefix = 'jos_';
	var $live_site = '';
	var $secret = 'never-Shown-5a1';
}
