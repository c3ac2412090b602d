# make demo: the whole chain on synthetic images.   make test: all fast tests.
# Both make .venv and install what they need; PYTHON chooses the interpreter (3.11 to 3.13).

# The first that runs: a version manager may leave commands on the PATH that only print an error.
SUPPORTED := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $$python && break; done)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: demo test test-fast test-slow check lint format bench clean install

install: .venv/installed

.venv/installed: pyproject.toml
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' || { \
	  echo 'skinlesion needs Python 3.11, 3.12 or 3.13 with venv: make PYTHON=/path/to/python3.12'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/skinlesion demo --overwrite

test: install
	$(PYTEST)

test-fast: install
	$(PYTEST) -m 'not tensorflow and not thorough and not real_data and not slow and not network and not gpu'

test-slow: install
	$(BIN)/python -m pytest -m slow --timeout 3600

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test

bench: install
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/bootstrap.py

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
