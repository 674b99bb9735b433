<?php
class JConfig {
	public $offline = '0';
	public $sitename = 'School';
	public $dbtype = 'mysqli';
	public $host = 'localhost';
	public $user = 'joom';
	public $password = 'never-Shown-5a1';
	public $db = 'joomla_db';
	public $dbprefix = 'jos_';
	public $live_site = '';
	public $secret = 'never-Shown-5a1';
}
