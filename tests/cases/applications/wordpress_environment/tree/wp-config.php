<?php
define('DB_NAME', getenv('WORDPRESS_DB_NAME'));
define('DB_USER', $_ENV['U']);
define('DB_PASSWORD', getenv('P'));
define('DB_HOST', 'db.campus.test:3307');
$table_prefix = 'x_';
