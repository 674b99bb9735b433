<?php
    const VERSION = '2.8.52';
