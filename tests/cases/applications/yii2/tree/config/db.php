<?php

return [
    'class' => 'yii\db\Connection',
    'dsn' => 'mysql:host=localhost;dbname=yii2basic',
    'username' => 'yii',
    'password' => 'never-Shown-5a1',
    'charset' => 'utf8',
];
