<?php
class Akismet {}
