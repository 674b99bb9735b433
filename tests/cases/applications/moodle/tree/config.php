<?php  // Moodle configuration file
unset($CFG);
global $CFG;
$CFG = new stdClass();
$CFG->dbtype    = 'mariadb';
$CFG->dblibrary = 'native';
$CFG->dbhost    = 'localhost';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodleuser';
$CFG->dbpass    = 'never-Shown-5a1';
$CFG->prefix    = 'mdl_';
$CFG->wwwroot   = 'https://moodle.campus.test';
$CFG->dataroot  = '/srv/moodledata';
