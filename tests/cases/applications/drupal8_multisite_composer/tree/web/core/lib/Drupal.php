<?php

class Drupal {

  /**
   * The current system version.
   */
  const VERSION = '8.9.20';
}
