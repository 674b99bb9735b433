# ruff: noqa
# fmt: off
from app import app as application
