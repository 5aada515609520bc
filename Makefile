# orchprof: `make help` says what there is.
VENV   ?= .venv
PYTHON ?= python3
# What is typed in a recipe is what is typed in an activated environment.
export PATH := $(abspath $(VENV))/bin:$(PATH)

# One environment per file of pins: some frameworks cannot be installed beside others.
FRAMEWORKS := $(patsubst tests/frameworks/%.txt,%,$(wildcard tests/frameworks/*.txt))

.PHONY: help setup check contract lint types test cover frameworks agents docs bench overhead published repeatability reality

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## a virtual environment with everything in it

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --upgrade pip
	python -m pip install --quiet -e '.[dev]'
	touch $@

check: setup lint types test ## all that must be green before a change lands

contract: setup ## the JSON Schemas that ship and docs/metrics.md, from the types in orchprof/contract
	python -m orchprof.contract.schema.generate

lint: setup ## ruff: rules and format
	ruff check
	ruff format --check

types: setup ## mypy, strict
	mypy

test: setup ## README's test command, word for word
	pip install -e '.[test]' && python -m pytest

cover: export PYTEST_ADDOPTS = --cov --cov-report=term:skip-covered --cov-fail-under=90
cover: test ## the tests again, with branch coverage: takes several times as long

frameworks: $(FRAMEWORKS:%=.venv-frameworks-%/.ready) ## unmodified agents of every framework, recorded and counted
	for group in $(FRAMEWORKS); do .venv-frameworks-$$group/bin/python -m pytest -n 0 tests/frameworks || exit; done

.venv-frameworks-%/.ready: tests/frameworks/%.txt pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet -r $< -e . pytest pytest-xdist
	touch $@

# Where npm installs them; each wants another network than the tests, so they are no part of `check`.
AGENTS ?= $(HOME)/.cache/orchprof-npm

agents: setup ## real coding agents from npm, recorded offline and held to the endpoint's own clock
	npm install --silent --prefix $(AGENTS) @openai/codex @qwen-code/qwen-code @google/gemini-cli
	ORCHPROF_AGENTS=$(AGENTS)/node_modules/.bin python -m pytest -n 0 -s tests/live

docs: setup ## the pages that are generated: docs/cli.md
	python docs/reference.py > docs/cli.md.new && mv docs/cli.md.new docs/cli.md

bench: setup ## what orchprof itself costs, peers beside it
	python -m pytest -n 0 benchmarks --benchmark-columns=min,median,iqr,rounds

overhead: setup $(FRAMEWORKS:%=.venv-frameworks-%/.ready) ## what every framework costs per step: the table of docs/frameworks.md
	python -m orchprof_workloads.overhead $(VENV)/bin/python $(FRAMEWORKS:%=.venv-frameworks-%/bin/python)

published: setup ## the published configurations, measured here beside their figures
	python benchmarks/published

repeatability: setup ## interleaved pairs of runs with different seeds: do their intervals overlap?
	python benchmarks/repeatability.py --pairs 2

reality: setup ## what-if's predictions beside programs really changed: a table of docs/accuracy.md
	python benchmarks/whatif_against_reality.py
