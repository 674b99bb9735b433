<?php
define('ZC_VERSION_MAJOR', '1');
define('ZC_VERSION_MINOR', '7');
define('ZC_VERSION_BUILD', '3');
define('ZC_VERSION_COMMIT', '3290');
define('ZC_VERSION_CODENAME', 'Finch');
