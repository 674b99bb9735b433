<?php
define('EmpireCMS_VERSION','7.5');
define('EmpireCMS_LASTTIME',201808201200);
define('EmpireCMS_CHARVER','SC-UTF-8');
?>
