<?php
class Kernel { const VERSION = '3.4.41'; }
