<?php
class Application extends Container
{
    /**
     * The Laravel framework version.
     */
    const VERSION = '8.83.27';
}
