"""The HTTP view: sites as a visitor sees them, asked by name from the network center.  Needs no login on any host."""
