<?php
/**
 * The base configuration for WordPress
 *
 * define( 'DB_NAME', 'in_a_comment' );
 */
define( 'DB_NAME', 'wp_net' );
define( 'DB_USER', 'wp_net_u' );
define( 'DB_PASSWORD', 'never-Shown-5a1' );
define( 'DB_HOST', 'localhost' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'never-Shown-5a1' );
$table_prefix = 'wp_';
define( 'WP_ALLOW_MULTISITE', true );
define( 'MULTISITE', true );
define( 'SUBDOMAIN_INSTALL', false );
define( 'DOMAIN_CURRENT_SITE', 'www.school.test' );
require_once ABSPATH . 'wp-settings.php';
