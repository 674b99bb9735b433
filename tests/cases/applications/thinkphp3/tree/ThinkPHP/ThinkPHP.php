<?php
// 版本信息
const THINK_VERSION     =   '3.2.3';
