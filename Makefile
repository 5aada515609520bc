# orchprof: `make help` says what there is.
VENV   ?= .venv
PYTHON ?= python3
BIN     = $(VENV)/bin

.PHONY: help setup check lint types test bench wheel

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(BIN)/.ready ## a virtual environment with everything in it

$(BIN)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

check: setup lint types test ## all that must be green before a change lands

lint: setup ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## mypy, strict
	$(BIN)/mypy

test: setup ## the tests, with branch coverage
	pip install --quiet -e '.[test]' && python -m pytest

bench: setup ## what orchprof itself costs, peers beside it
	$(BIN)/python -m pytest benchmarks --benchmark-columns=min,median,iqr,rounds
