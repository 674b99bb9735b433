"""Configuration text of web servers → virtual hosts.  Pure: includes are resolved only among the collected files."""
