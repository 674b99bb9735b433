<?php
$CONFIG = array (
  'instanceid' => 'oc1',
  'passwordsalt' => 'never-Shown-5a1',
  'secret' => 'never-Shown-5a1',
  'datadirectory' => '/srv/cloud/data',
  'dbtype' => 'mysql',
  'overwrite.cli.url' => 'https://cloud.campus.test',
  'dbname' => 'cloud',
  'dbhost' => 'localhost',
  'dbport' => '',
  'dbtableprefix' => 'oc_',
  'dbuser' => 'oc_admin',
  'dbpassword' => 'never-Shown-5a1',
);
