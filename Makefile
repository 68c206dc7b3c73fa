# Everything runs in one environment, .venv, made from requirements.lock at first use.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made-from-lock

.DEFAULT_GOAL := help
.PHONY: help setup demo ui ui-readonly test test-faults lint bench lock audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from requirements.lock (Python 3.11 or newer)

# Only what the lock holds by hash is installed; setuptools is in it, so building the package fetches nothing either.
$(STAMP): requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Expected Python 3.11 or newer, found " \
		+ sys.version.split()[0] + ". Name another: make setup PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Materialize the last 35 days of a made-up company, print the newest report
	@$(BIN)/python -m marketing_assets.sandbox demo

ui: setup ## Serve the Dagster UI over the same company, until Ctrl-C
	@$(BIN)/python -m marketing_assets.sandbox ui

ui-readonly: setup ## Serve it to viewers on port 3001, read only, beside `make ui` or over DAGSTER_HOME
	@test -n "$$DAGSTER_HOME" || test -f .sandbox/environment || { \
		echo "Expected a running \`make ui\`, or DAGSTER_HOME with its settings. Start one, set the other." >&2; exit 1; }
	@set -a; test -n "$$DAGSTER_HOME" || . ./.sandbox/environment; \
		exec $(BIN)/dagster-webserver --read-only -h 127.0.0.1 -p 3001 -m marketing_assets.definitions

# Playwright switches stacks under the interpreter: it gets a process of its own.
test: setup ## Run the tests, with coverage
	$(BIN)/python -m pytest -m "not browser and not faults" --cov --cov-report=
	$(BIN)/python -m pytest -m browser --cov --cov-append --cov-report=term-missing:skip-covered

test-faults: setup ## Inject every fault into a platform at work, and print what became of each
	$(BIN)/python -m pytest -q -m faults marketing_assets_tests/faults

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Half an hour and 8 GB of disk; LINES="daily lake" picks, SCALE=small takes minutes, RECORD=1 renews the documents' tables.
bench: setup ## Measure the platform against named references
	$(BIN)/python -m benchmarks $(if $(LINES),--lines $(LINES)) $(if $(filter small,$(SCALE)),--small) \
		$(if $(RECORD),--record)

lock: ## Resolve the dependencies anew into requirements.lock (needs uv)
	echo 'setuptools>=77' | uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-strip-extras --custom-compile-command 'make lock' --extra dev --extra sandbox \
		--output-file requirements.lock pyproject.toml -

# The list of known faults is asked from a service: this is no part of .ci/run, which works offline.
audit: ## Hold the locked versions against published vulnerabilities (needs uv and the network)
	uvx pip-audit --requirement requirements.lock --require-hashes --disable-pip

clean: ## Remove the environment, the sandbox and every cache
	rm -rf .venv .sandbox .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
