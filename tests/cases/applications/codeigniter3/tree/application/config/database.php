<?php
$active_group = 'default';
$db['default'] = array(
	'dsn'	=> '',
	'hostname' => 'localhost',
	'username' => 'ci',
	'password' => 'never-Shown-5a1',
	'database' => 'ci3',
	'dbdriver' => 'mysqli',
	'dbprefix' => '',
	'char_set' => 'utf8',
);
