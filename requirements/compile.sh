#!/usr/bin/env bash
# Recompile the lock: no index URL is written (a lock with hosts would tie the repository to one registry).
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
"$uv" pip compile pyproject.toml --extra train --extra dev --python-version 3.11 \
  --constraint requirements/constraints.txt --no-emit-index-url --no-header "$@" \
  -o requirements/lock.txt -q
