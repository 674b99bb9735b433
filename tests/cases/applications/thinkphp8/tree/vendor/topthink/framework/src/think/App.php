<?php
class App extends Container
{
    const VERSION = '8.0.3';
