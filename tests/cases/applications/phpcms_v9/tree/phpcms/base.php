<?php
define('IN_PHPCMS', true);
