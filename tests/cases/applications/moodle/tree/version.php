<?php
$version  = 2020061501.11;              // YYYYMMDD
$release  = '3.9.1+ (Build: 20200724)'; // Human-friendly version name
$branch   = '39';
