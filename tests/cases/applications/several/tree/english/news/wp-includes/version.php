<?php
/**
 * The WordPress version string.
 */
$wp_version = '5.2.2';
$wp_db_version = 56657;
$wp_local_package = 'zh_CN';
