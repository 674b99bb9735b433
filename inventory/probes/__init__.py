"""One subject per module: a section of POSIX sh, and the pure parser of what it prints.  `registry` lists them all."""
