<?php
$cfg['Servers'][$i]['host'] = 'localhost';
