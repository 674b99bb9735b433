<?php
return array('default' => array('database' => 'sso'));
