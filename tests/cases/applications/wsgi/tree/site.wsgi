# ruff: noqa
# fmt: off
import sys
from survey import app as application
