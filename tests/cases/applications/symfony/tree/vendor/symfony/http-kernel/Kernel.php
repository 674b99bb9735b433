<?php
abstract class Kernel
{
    public const VERSION = '6.2.6';
