# Two commands on a machine that has only Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Two cores and several processes: one thread each keeps figures comparable.
export OMP_NUM_THREADS ?= 2
export TOKENIZERS_PARALLELISM := false

.PHONY: help setup demo test test-fast test-vllm check lock clean
help:
	@echo "make setup      the environment in $(VENV)"
	@echo "make demo       set up; pre-train a small model, evaluate, train, evaluate, compare"
	@echo "make test       set up, run the tests, end to end ones too (tens of minutes on two cores)"
	@echo "make test-fast  the same without the slow ones (end to end, kill and resume, two ranks)"
	@echo "make test-vllm  a second environment with vLLM for CPUs, and the tests that need it"
	@echo "make check      format, lint, types, docstrings, house rules"
	@echo "make lock       recompile requirements/lock.txt"

setup: $(STAMP)

$(STAMP): pyproject.toml requirements/lock.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet "uv>=0.5"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements/lock.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(STAMP)

demo: setup
	@$(BIN)/python docs/demo.py

# Two workers: a second thread in each would only wait for the other's core.
test test-fast: export OMP_NUM_THREADS = 1

test: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not vllm and not gpu"

test-fast: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not vllm and not gpu"

test-vllm: setup
	requirements/test_vllm.sh

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@# Short docstrings may leave parameters out; naming one that does not exist is the error.
	! $(BIN)/pydoclint vigos_eval vigos_train 2>&1 | grep "in the docstring but not in the function signature"
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_locks.py

lock: setup
	requirements/compile.sh

clean:
	rm -rf $(VENV) .venv-vllm build dist
