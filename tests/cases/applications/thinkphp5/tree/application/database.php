<?php
return [
    // 数据库类型
    'type'            => 'mysql',
    // 服务器地址
    'hostname'        => '127.0.0.1',
    // 数据库名
    'database'        => 'tp5',
    'username'        => 'tp5u',
    'password'        => 'never-Shown-5a1',
    'hostport'        => '3306',
    'prefix'          => 'tp_',
];
