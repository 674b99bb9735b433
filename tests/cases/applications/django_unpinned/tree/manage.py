# ruff: noqa
# fmt: off
from django.core.management import execute_from_command_line
