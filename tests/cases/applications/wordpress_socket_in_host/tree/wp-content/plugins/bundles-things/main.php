<?php
/* Plugin Name: Bundles */
/* Version: 2.0 */
