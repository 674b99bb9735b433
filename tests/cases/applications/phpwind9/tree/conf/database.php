<?php
return array(
	'dsn' => 'mysql:host=localhost;dbname=pw9;port=3306',
	'user' => 'pw9u',
	'pwd' => 'never-Shown-5a1',
	'charset' => 'utf8',
	'tableprefix' => 'pw_',
);
