#!/bin/sh
# What must be clean before anything lands: style, format, types, import layers, roles and a generated bundle, fresh documentation.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check . docs/generate.py
.venv/bin/ruff format --check -q . docs/generate.py
.venv/bin/mypy inventory planner lab/campuslab lab/generated lab/faults docs/generate.py
.venv/bin/lint-imports >/dev/null || .venv/bin/lint-imports
.venv/bin/python docs/generate.py --check
PATH="$PWD/.venv/bin:$PATH" ansible-lint --offline --profile production -q playbooks
draft=$(mktemp -d); trap 'rm -rf "$draft"' EXIT
.venv/bin/python tests/sample_bundle.py "$draft/bundle"
cp .ansible-lint "$draft/bundle/"; cd "$draft/bundle"
PATH="$OLDPWD/.venv/bin:$PATH" ansible-lint --offline --profile production -q --exclude roles -- wave-1.yml moves
