# Everything runs in one environment, .venv, made from requirements.lock at first use.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made-from-lock
SPARK_BIN := .venv-spark/bin
SPARK_STAMP := .venv-spark/.made-from-lock

.DEFAULT_GOAL := help
.PHONY: help setup demo ui ui-readonly test test-faults test-spark lint bench lock audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from requirements.lock (Python 3.11 or newer)

# Only what the lock holds by hash is installed; setuptools is in it, so building the package fetches nothing either.
define make_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Expected Python 3.11 or newer, found " \
		+ sys.version.split()[0] + ". Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(STAMP): requirements.lock pyproject.toml setup.py
	$(make_environment)

$(SPARK_STAMP): requirements-spark.lock pyproject.toml setup.py
	$(make_environment)

demo: setup ## Materialize the last 35 days of a made-up company, print the newest report
	@$(BIN)/python -m marketing_assets.sandbox demo

ui: setup ## Serve the Dagster UI over the same company, until Ctrl-C
	@$(BIN)/python -m marketing_assets.sandbox ui

ui-readonly: setup ## Serve it to viewers on port 3001, read only, beside `make ui` or over DAGSTER_HOME
	@test -n "$$DAGSTER_HOME" || test -f .sandbox/environment || { \
		echo "Expected a running \`make ui\`, or DAGSTER_HOME with its settings. Start one, set the other." >&2; exit 1; }
	@set -a; test -n "$$DAGSTER_HOME" || . ./.sandbox/environment; \
		exec $(BIN)/dagster-webserver --read-only -h 127.0.0.1 -p 3001 -m marketing_assets.definitions

# A file's tests stay together, with servers of their own, and the first files, which wait most, start first.
# Playwright switches stacks under the interpreter: it gets a process of its own, in which no coverage is traced.
test: setup ## Run the tests, with coverage
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder \
		-m "not browser and not faults" --cov --cov-report=term-missing:skip-covered
	$(BIN)/python -m pytest -m browser

test-faults: setup ## Inject every fault into a platform at work, and print what became of each
	$(BIN)/python -m pytest -q -m faults marketing_assets_tests/faults

# Spark's servers start on loopback. Everything runs on a standalone cluster, the engine on the two other kinds as well.
test-spark: $(SPARK_STAMP) ## Run the tests of MARKETING_ENGINE=spark, in .venv-spark (Java 17)
	$(SPARK_BIN)/python -m pytest marketing_assets_tests/spark
	SPARK_TESTS_ON=connect $(SPARK_BIN)/python -m pytest marketing_assets_tests/spark/test_engine.py
	SPARK_TESTS_ON=local $(SPARK_BIN)/python -m pytest marketing_assets_tests/spark/test_engine.py

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Half an hour and 8 GB of disk; LINES="daily lake" picks, SCALE=small takes minutes, RECORD=1 renews the documents' tables.
bench: setup ## Measure the platform against named references
	$(BIN)/python -m benchmarks $(if $(LINES),--lines $(LINES)) $(if $(filter small,$(SCALE)),--small) \
		$(if $(RECORD),--record)

COMPILE := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-strip-extras --custom-compile-command 'make lock' --extra dev --extra sandbox

lock: ## Resolve the dependencies anew into requirements.lock and requirements-spark.lock (needs uv)
	echo 'setuptools>=77' | $(COMPILE) --output-file requirements.lock pyproject.toml -
	echo 'setuptools>=77' | $(COMPILE) --extra spark --constraint requirements.lock \
		--output-file requirements-spark.lock pyproject.toml -

# The list of known faults is asked from a service: this is no part of .ci/run, which works offline.
audit: ## Hold the locked versions against published vulnerabilities (needs uv and the network)
	uvx pip-audit --requirement requirements.lock --require-hashes --disable-pip

clean: ## Remove the environment, the sandbox and every cache
	rm -rf .venv .venv-spark .sandbox .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
