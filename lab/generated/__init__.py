"""A whole campus made from a seed: units, servers, sites, their register and what the collector would print on each server.

`making` decides what there is (`model.Campus`), `transcript` and `registers` write it down in just the forms that the product takes,
`comparing` holds what the product found against it.  Nothing here reads the product's catalogue or feeds it by a shortcut.
"""
