<?php
return array(
	//'配置项'=>'配置值'
	'DB_TYPE'   => 'mysql',
	'DB_HOST'   => 'localhost',
	'DB_NAME'   => 'tp3',
	'DB_USER'   => 'tp3u',
	'DB_PWD'    => 'never-Shown-5a1',
	'DB_PREFIX' => 'think_',
);
