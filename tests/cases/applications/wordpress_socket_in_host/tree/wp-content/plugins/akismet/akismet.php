<?php
/*
Plugin Name: Akismet Anti-spam: Spam Protection
Version: 5.3
*/
