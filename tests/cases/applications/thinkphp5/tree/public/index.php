<?php
require __DIR__ . '/../thinkphp/start.php';
