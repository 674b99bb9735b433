#!/bin/sh
# What must be clean before anything lands: style, format, types, import layers, fresh documentation.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check . docs/generate.py
.venv/bin/ruff format --check -q . docs/generate.py
.venv/bin/mypy inventory planner lab/campuslab docs/generate.py
.venv/bin/lint-imports >/dev/null || .venv/bin/lint-imports
.venv/bin/python docs/generate.py --check
