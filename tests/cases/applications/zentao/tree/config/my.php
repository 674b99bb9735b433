<?php
$config->installed       = true;
$config->db->host        = '127.0.0.1';
$config->db->port        = '3306';
$config->db->name        = 'zentao';
$config->db->user        = 'zt';
$config->db->password    = 'never-Shown-5a1';
$config->db->prefix      = 'zt_';
