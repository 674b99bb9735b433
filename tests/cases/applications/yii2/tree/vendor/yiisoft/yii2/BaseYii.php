<?php
    public static function getVersion()
    {
        return '2.0.47';
    }
