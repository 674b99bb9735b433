<?php
/**
 * Plugin Name: Network rules
 * Version: 0.3
 */
