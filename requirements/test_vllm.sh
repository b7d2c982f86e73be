#!/usr/bin/env bash
# `make test-vllm`: build the second environment and run the tests that need vLLM, for real.
# Fails when vLLM is missing there or when no test was collected (pytest's exit code 5).
set -euo pipefail
cd "$(dirname "$0")/.."
requirements/vllm_env.sh
export HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_NO_USAGE_STATS=1
.venv-vllm/bin/python -c 'import vllm'
exec .venv-vllm/bin/python -m pytest -q -m vllm "${@:-tests}"
