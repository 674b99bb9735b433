<?php
$plugin->version = 2020010100;
$plugin->release = '1.4';
