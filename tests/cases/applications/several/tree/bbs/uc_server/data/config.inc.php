<?php
define('UC_DBNAME', 'ucenter');
