<?php
//版本号
define ('SYS_VER', '6.2.0');
define ('SYS_VER_TIME', '20190330');
