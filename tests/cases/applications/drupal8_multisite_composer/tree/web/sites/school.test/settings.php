<?php
$databases['default']['default']['database'] = 'd8school';
