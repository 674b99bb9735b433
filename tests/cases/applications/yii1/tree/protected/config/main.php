<?php
return array(
	'basePath'=>dirname(__FILE__).DIRECTORY_SEPARATOR.'..',
	'name'=>'My Web Application',
	'components'=>array(
		'db'=>array(
			'connectionString' => 'mysql:host=localhost;dbname=yii1',
			'emulatePrepare' => true,
			'username' => 'y1',
			'password' => 'never-Shown-5a1',
		),
