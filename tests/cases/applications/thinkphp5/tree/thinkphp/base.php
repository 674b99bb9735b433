<?php
define('THINK_VERSION', '5.0.24');
