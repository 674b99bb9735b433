<?php
$conf['title'] = 'DokuWiki';
