<?php
include PHPCMS_PATH.'/phpcms/base.php';
