<?php
define('APPNAME', 'ECSHOP');
define('VERSION', 'v2.7.3');
define('RELEASE', '20121106');
