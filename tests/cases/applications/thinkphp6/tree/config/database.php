<?php
return [
    'connections' => [
        'mysql' => [
            'type' => env('database.type', 'mysql'),
            'hostname' => env('database.hostname', '127.0.0.1'),
            'database' => env('database.database', 'tp6default'),
            'username' => env('database.username', 'root'),
            'password' => env('database.password', ''),
