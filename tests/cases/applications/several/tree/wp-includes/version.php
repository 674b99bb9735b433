<?php
/**
 * The WordPress version string.
 */
$wp_version = '6.1.1';
$wp_db_version = 56657;
$wp_local_package = 'zh_CN';
