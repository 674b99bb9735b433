<?php
class App extends Container
{
    const VERSION = '6.0.12LTS';
