<?php
$conf['title'] = 'Wiki';
$conf['superuser'] = '@admin';
