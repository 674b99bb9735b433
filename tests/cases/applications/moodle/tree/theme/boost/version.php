<?php
$plugin->version = 2020061500;
