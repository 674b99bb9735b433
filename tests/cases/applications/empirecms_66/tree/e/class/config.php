<?php
$phome_db_ver="5.0";
$phome_db_server="localhost";
$phome_db_port="";
$phome_db_username="root";
$phome_db_password="never-Shown-5a1";
$phome_db_dbname="ecms66";
