<?php
//软件摘要信息
$cfg_version = 'V57_UTF8_SP2';
$cfg_soft_lang = 'utf-8';
