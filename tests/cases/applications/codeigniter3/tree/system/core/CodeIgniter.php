<?php
/**
 * CodeIgniter Version
 */
	const CI_VERSION = '3.1.13';
