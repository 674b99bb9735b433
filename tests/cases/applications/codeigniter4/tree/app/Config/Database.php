<?php
    public $default = [
        'hostname' => 'localhost',
        'username' => '',
        'database' => '',
        'DBDriver' => 'MySQLi',
    ];
