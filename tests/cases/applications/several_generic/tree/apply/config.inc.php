<?php
$dbname = 'apply';
