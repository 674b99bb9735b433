<?php
$db['default']['hostname'] = 'localhost';
$db['default']['username'] = 'ci2';
$db['default']['password'] = 'never-Shown-5a1';
$db['default']['database'] = 'ci2db';
$db['default']['dbdriver'] = 'mysql';
