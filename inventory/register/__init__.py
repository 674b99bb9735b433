"""The units' register: XLSX, CSV and YAML in and out, Chinese or English headings, every cell with its origin, every import undoable.

In: sheets.  Out: the catalogue's units, declared rows and hosts, with the history of every value.  `read` gives a `Sheet`,
`storing` compares and writes it, `undoing` takes imports back, `history` tells what changed, `writing` gives sheets back to the units.
"""

from inventory.register.fields import Register, load, shipped
from inventory.register.names import ascii_name, valid_name
from inventory.register.reading import read
from inventory.register.sheet import Rejection, Row, Sheet

__all__ = ["Register", "Rejection", "Row", "Sheet", "ascii_name", "load", "read", "shipped", "valid_name"]
