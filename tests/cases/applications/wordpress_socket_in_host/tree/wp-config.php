<?php
/**
 * The base configuration for WordPress
 *
 * define( 'DB_NAME', 'in_a_comment' );
 */
define( 'DB_NAME', 'wp_site' );
define( 'DB_USER', 'wp_site_u' );
define( 'DB_PASSWORD', 'never-Shown-5a1' );
define( 'DB_HOST', 'localhost:/run/mysqld/mysqld.sock' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'never-Shown-5a1' );
$table_prefix = 'wp_';

require_once ABSPATH . 'wp-settings.php';
