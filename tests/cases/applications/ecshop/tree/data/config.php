<?php
// database host
$db_host   = "localhost:3306";

// database name
$db_name   = "ecshop";

// database username
$db_user   = "shop";

// database password
$db_pass   = "never-Shown-5a1";

// table prefix
$prefix    = "ecs_";
