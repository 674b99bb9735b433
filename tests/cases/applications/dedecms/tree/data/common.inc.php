<?php
//数据库连接信息
$cfg_dbhost = '127.0.0.1';
$cfg_dbname = 'dedecms';
$cfg_dbuser = 'dede';
$cfg_dbpwd = 'never-Shown-5a1';
$cfg_dbprefix = 'dede_';
$cfg_db_language = 'utf8';
?>
