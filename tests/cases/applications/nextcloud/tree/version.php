<?php
$OC_Version = array(25,0,3,2);
$OC_VersionString = '25.0.3';
$OC_Channel = 'stable';
$vendor = 'nextcloud';
