<?php
defined('P_W') || exit('Forbidden');
define('WIND_VERSION','8.7,20110416');
