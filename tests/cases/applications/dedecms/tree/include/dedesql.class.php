<?php
class DedeSql {}
