<?php
	define('CI_VERSION', '2.2.6');
