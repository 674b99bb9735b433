<?php
if(!defined('InEmpireCMS'))
{
	exit();
}
$ecms_config=array();
$ecms_config['db']['usedb']='mysqli';	//数据库类型
$ecms_config['db']['dbver']='5.0';
$ecms_config['db']['dbserver']='localhost';	//数据库登录地址
$ecms_config['db']['dbport']='';
$ecms_config['db']['dbusername']='ecms';
$ecms_config['db']['dbpassword']='never-Shown-5a1';
$ecms_config['db']['dbname']='empirecms';
$ecms_config['db']['setchar']='utf8';
$ecms_config['db']['dbtbpre']='phome_';
