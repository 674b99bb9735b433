<?php
/**
 * MediaWiki version number
 * @since 1.2
 */
$wgVersion = '1.31.16';
