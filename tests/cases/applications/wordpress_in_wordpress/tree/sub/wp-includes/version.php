<?php
/**
 * The WordPress version string.
 */
$wp_version = '5.0';
$wp_db_version = 56657;
$wp_local_package = 'zh_CN';
