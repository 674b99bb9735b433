"""Configuration text of web servers → virtual hosts.  Pure: includes are resolved only among the collected files.

`tree` holds the files, one module per server reads them, `layout` finds which servers a copied tree holds.
"""
