<?php
$db_password = 'never-Shown-5a1'; $db_host = 'h1'; $db_name = 'n1'; $note = 'it\'s a note';
$config = array('pass' => 'never-Shown-5a1', 'username' => 'u1', 'token' => "never-Shown-5a1");
mysqli_connect('localhost', 'x', 'never-Shown-5a1', 'y');
$url = 'mysql://u:never-Shown-5a1@h/n?password=never-Shown-5a1';
$c = 'Server=s;Database=d;User ID=sa;Password=never-Shown-5a1;';
