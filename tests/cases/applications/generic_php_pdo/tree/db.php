<?php
$password = 'x;host=never-Shown-5a1';
$pdo = new PDO('mysql:host=localhost;dbname=physevents;charset=utf8mb4', 'phys', 'never-Shown-5a1');
