# `make demo` and `make test` set up what they need: only Python 3.11 or newer and make have to be there.

PYTHON ?= python3
AIRFLOW_OLDEST := 3.0.6
# Airflow 3.0.6 runs with the packages of its time only.
AIRFLOW_OLDEST_DATE := 2025-10-01

NEWEST := .venv
OLDEST := .venv-airflow-3.0
UV := $(NEWEST)/bin/uv
UV_OLDEST = $(UV) pip install --quiet --exclude-newer $(AIRFLOW_OLDEST_DATE) \
	--exclude-newer-package apache-airflow-providers-common-compat=2026-11-01

# One process of tests more than there are cores: some of them wait. A module stays in one process.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PYTEST := -m pytest --numprocesses $$(($(CORES) + 1)) --dist loadgroup --no-loadscope-reorder

.PHONY: demo ui test quick lint types test-newest test-oldest contract benchmark release-check screenshots clean

## Runs the quickstart Dag in a real Airflow, against the sandbox or, with IMAGEROUTER_API_KEY=…, the real API.
demo: $(NEWEST)/.installed
	@$(NEWEST)/bin/python scripts/demo.py

## Airflow's UI with the example Dags, against the same; Ctrl-C stops all of it.
ui: $(NEWEST)/.installed
	@$(NEWEST)/bin/python scripts/ui.py

## Everything CI runs.
test: lint types test-newest test-oldest
	$(NEWEST)/bin/coverage report

## For daily work: all but what waits for whole Airflows, commands and installations, on the newest Airflow only.
quick: lint types
	$(NEWEST)/bin/python $(PYTEST) -m "not waiting"

lint: $(NEWEST)/.installed-dev
	$(NEWEST)/bin/ruff check
	$(NEWEST)/bin/ruff format --check
	$(NEWEST)/bin/lint-imports --no-logo

types: $(NEWEST)/.installed-dev
	$(NEWEST)/bin/mypy

# What is run is measured here only: to measure takes half as long again.
test-newest: $(NEWEST)/.installed-dev
	$(NEWEST)/bin/python $(PYTEST) --cov --cov-report=

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python $(PYTEST)

## Looks whether the live API is as the package relies on, with IMAGEROUTER_API_KEY=…; costs nothing.
contract: $(NEWEST)/.installed
	@PYTHONPATH=tests $(NEWEST)/bin/python -m contract

## Prints how long things take, in 7 minutes; asserts nothing.
benchmark: $(NEWEST)/.installed-dev
	@for script in tests/benchmarks/import_time.py tests/benchmarks/bench_*.py; do \
		echo "== $$script"; AIRFLOW_HOME=$(CURDIR)/.airflow-benchmark $(NEWEST)/bin/python $$script || exit 1; \
	done

## Whether what would be uploaded is whole, and works with each Airflow; takes 3 minutes.
release-check: $(NEWEST)/.installed-dev
	@$(NEWEST)/bin/python scripts/release_check.py

## Draws the docs' pictures of the gallery anew; needs Chromium and its driver.
screenshots: $(NEWEST)/.installed-dev
	@$(NEWEST)/bin/python scripts/screenshots.py

clean:
	rm -rf $(NEWEST) $(OLDEST) .airflow demo-output build dist

# Airflow comes first: asked for together with the rest, an older one with newer dependencies may be chosen.
$(NEWEST)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	@echo "Installing Airflow and the package into $(NEWEST) …"
	@$(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(NEWEST) $(UV) pip install --quiet --upgrade apache-airflow
	@VIRTUAL_ENV=$(NEWEST) $(UV) pip install --quiet --editable '.[sandbox]'
	@touch $@

$(NEWEST)/.installed-dev: $(NEWEST)/.installed
	@echo "Installing what the tests need into $(NEWEST) …"
	@VIRTUAL_ENV=$(NEWEST) $(UV) pip install --quiet --group dev --editable '.[sandbox,ai]'
	@touch $@

# The compat package is newer than Airflow 3.0.6: that of its time does not have the names we import from it.
# wtforms draws that Airflow's connection form; its FAB provider brings it. With universal-pathlib 0.3 its paths that
# name a connection (s3://conn@bucket) never end. What the package itself asks for comes in the oldest version that
# pyproject.toml allows; what only the tests need, in that of the time.
$(OLDEST)/.installed: pyproject.toml $(NEWEST)/.installed
	@echo "Installing Airflow $(AIRFLOW_OLDEST) into $(OLDEST) …"
	@$(UV) venv --quiet --clear --python '>=3.11,<3.13' $(OLDEST)
	@VIRTUAL_ENV=$(OLDEST) $(UV_OLDEST) --resolution lowest-direct \
		apache-airflow==$(AIRFLOW_OLDEST) 'universal-pathlib>=0.2.2,<0.3' 'wtforms>=3.1' --editable '.[sandbox]'
	@VIRTUAL_ENV=$(OLDEST) $(UV_OLDEST) --group test
	@touch $@
