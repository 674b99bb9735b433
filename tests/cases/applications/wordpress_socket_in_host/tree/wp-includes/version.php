<?php
/**
 * The WordPress version string.
 */
$wp_version = '6.4.3';
$wp_db_version = 56657;
$wp_local_package = 'zh_CN';
