<?php
return array (
	'default' => array (
		'hostname' => 'localhost',
		'port' => 3306,
		'database' => 'phpcmsv9',
		'username' => 'pc',
		'password' => 'never-Shown-5a1',
		'tablepre' => 'v9_',
		'charset' => 'gbk',
		'type' => 'mysqli',
		'debug' => true,
	),
);
?>
