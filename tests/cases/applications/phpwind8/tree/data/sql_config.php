<?php
$dbhost = 'localhost';
$dbuser = 'pw';
$dbpw = 'never-Shown-5a1';
$dbname = 'phpwind';
$database = 'mysql';
$PW = 'pw_';
$charset='gbk';
