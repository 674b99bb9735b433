<?php
$cfg['blowfish_secret'] = 'never-Shown-5a1';
$i++;
$cfg['Servers'][$i]['host'] = 'localhost';
$cfg['Servers'][$i]['password'] = 'never-Shown-5a1';
