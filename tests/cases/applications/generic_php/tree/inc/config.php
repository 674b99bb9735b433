<?php
$db_host = 'localhost'; $db_user = 'evt'; $db_pass = 'never-Shown-5a1'; $db_name = 'events';
