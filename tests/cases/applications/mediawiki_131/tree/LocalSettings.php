<?php
# Protect against web entry
$wgSitename = "Wiki";
$wgServer = "https://wiki.campus.test";
## Database settings
$wgDBtype = "mysql";
$wgDBserver = "localhost";
$wgDBname = "wikidb";
$wgDBuser = "wiki";
$wgDBpassword = "never-Shown-5a1";
$wgDBprefix = "mw_";
$wgSecretKey = "never-Shown-5a1";
