<?php
/**
 * @package Typecho Replica Theme 
 * @author Typecho Team
 * @version 1.2
 */
