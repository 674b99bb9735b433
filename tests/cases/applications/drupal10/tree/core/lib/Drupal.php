<?php

class Drupal {

  /**
   * The current system version.
   */
  const VERSION = '10.2.4';
}
