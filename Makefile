# Two commands on a fresh machine: `make demo` and `make test`.
# Each sets up .venv by itself: with uv where it is installed, otherwise with python3 -m venv and pip.
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-duckdb15 lint docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread a worker: linear algebra on 5 x 5 matrices gains nothing from more, and loses by sharing.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n auto

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/'

$(READY): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python '>=3.11' $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "scaling needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.12 ..."; exit 3; }; \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $(READY)

demo: $(READY)  ## Simulate run logs, ingest them, fit a law, forecast, write a report
	$(BIN)/scaling demo --output demo-out

test: $(READY)  ## Run the test suite
	$(PYTEST) -m "not slow"

test-slow: $(READY)  ## Run the tests that take long, such as the coverage of bootstrap intervals
	$(PYTEST) -m slow

test-duckdb15: $(READY)  ## Run the tests of the store on DuckDB 1.5 too
	test -x .venv-duckdb15/bin/python || $(BIN)/python -m venv .venv-duckdb15
	grep -v '^duckdb==' constraints.txt > .venv-duckdb15/constraints.txt
	.venv-duckdb15/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c .venv-duckdb15/constraints.txt -e '.[dev]' 'duckdb==1.5.*'
	$(ONE_THREAD) .venv-duckdb15/bin/python -m pytest -n auto tests/db tests/fits tests/crash

lint: $(READY)  ## Lint, check the formatting, check the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## Regenerate the command reference and the table of formats
	$(BIN)/typer cli.py utils docs --name scaling --title "Command reference" --output docs/cli.md
	$(BIN)/python -m db.readers.table_of_formats > docs/formats.md

clean:  ## Remove the environments and everything generated
	rm -rf $(VENV) .venv-duckdb15 demo-out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
