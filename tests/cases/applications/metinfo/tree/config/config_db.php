<?php
                   /*
                   con_db_host = "localhost"
                   con_db_port = "3306"
                   con_db_id   = "met"
                   con_db_pass	= "never-Shown-5a1"
                   con_db_name = "metinfo"
                   tablepre    =  "met_"
                   db_charset  =  "utf8";
                  */
                  ?>
