<?php
class Typecho_Common
{
    /** 程序版本 */
    const VERSION = '1.1/17.10.30';
}
