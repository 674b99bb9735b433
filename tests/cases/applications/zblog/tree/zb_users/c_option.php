<?php
return array (
  'ZC_BLOG_HOST' => 'http://blog.campus.test/',
  'ZC_DATABASE_TYPE' => 'mysqli',
  'ZC_SQLITE_NAME' => '',
  'ZC_MYSQL_SERVER' => 'localhost',
  'ZC_MYSQL_USERNAME' => 'zb',
  'ZC_MYSQL_PASSWORD' => 'never-Shown-5a1',
  'ZC_MYSQL_NAME' => 'zblog',
  'ZC_MYSQL_CHARSET' => 'utf8',
  'ZC_MYSQL_PRE' => 'zbp_',
);
