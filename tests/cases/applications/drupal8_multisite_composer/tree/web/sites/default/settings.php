<?php
$databases = [];
# $databases['default']['default']['database'] = 'old';
$settings['hash_salt'] = 'never-Shown-5a1';
$databases['default']['default'] = array (
  'database' => 'drupal10',
  'username' => 'd10',
  'password' => 'never-Shown-5a1',
  'prefix' => '',
  'host' => '127.0.0.1',
  'port' => '3306',
  'driver' => 'pgsql',
  'namespace' => 'Drupal\\Core\\Database\\Driver\\pgsql',
);
