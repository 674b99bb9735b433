<?php
define( 'DBO_DEBUG', 1 );
