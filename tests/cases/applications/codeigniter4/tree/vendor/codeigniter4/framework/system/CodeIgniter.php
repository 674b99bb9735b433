<?php
class CodeIgniter
{
    public const CI_VERSION = '4.2.10';
