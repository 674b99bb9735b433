<?php
$yii=dirname(__FILE__).'/framework/yii.php';
