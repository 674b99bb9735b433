<?php
$OC_Version = array(25,0,3,2);
$OC_VersionString = '10.11.0';
$OC_Channel = 'stable';
$vendor = 'owncloud';
