# ruff: noqa
# fmt: off
from flask import Flask
app = Flask(__name__)
