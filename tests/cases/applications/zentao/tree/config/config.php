<?php
$config->version       = '12.5.3';
