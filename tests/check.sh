#!/bin/sh
# What must be clean before anything lands: style, format, types, import layers.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check -q .
.venv/bin/mypy inventory planner
.venv/bin/lint-imports >/dev/null || .venv/bin/lint-imports
