<?php
define('UC_DBHOST', 'localhost');
define('UC_DBNAME', 'ucenter');
define('UC_DBPW', 'never-Shown-5a1');
