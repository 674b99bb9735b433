<?php
/**
 * @code
 * $databases['default']['default'] = array(
 *   'database' => 'databasename',
 * );
 * @endcode
 */
$databases = array (
  'default' => 
  array (
    'default' => 
    array (
      'database' => 'drupal7',
      'username' => 'd7user',
      'password' => 'never-Shown-5a1',
      'host' => 'localhost',
      'port' => '',
      'driver' => 'mysql',
      'prefix' => 'dr_',
    ),
  ),
);
$drupal_hash_salt = 'never-Shown-5a1';
