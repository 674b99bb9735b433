<?php
class Config
{
        $this->set('PMA_VERSION', '4.9.7');
