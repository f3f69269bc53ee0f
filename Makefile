# Everything a developer runs. It needs Python 3.11 or later and make; the rest installs itself
# into .venv, once for each state of pyproject.toml and constraints.txt.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo '  More for pytest or a benchmark: make test ARGS="-k consumer"'

# --- the two commands of the README

.PHONY: demo demo-train test
demo: $(VENV)/.installed-demo ## show the system at work on real data
	@$(BIN)/alchemiser demo $(ARGS)

demo-train: $(VENV)/.installed-train ## the same, and train a small policy: a large download
	@$(BIN)/alchemiser demo --train $(ARGS)

test: $(VENV)/.installed-dev ## run the tests
	$(BIN)/python -m pytest -n 2 $(ARGS)

# --- what a change must pass

.PHONY: lint ruff types imports secrets checks
lint: ruff types imports secrets checks ## every static check: style, types, layers, secrets, our own

ruff: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-logo

secrets: $(VENV)/.installed-dev
	$(BIN)/python -m tools.secret_scan

checks: $(VENV)/.installed-dev
	$(BIN)/python -m tools.static_checks

# --- what takes longer

.PHONY: bench crash drill
drill: $(VENV)/.installed-dev ## run every chaos experiment; ARGS=--short leaves out the long ones
	$(BIN)/alchemiser chaos drill $(ARGS)

bench: $(VENV)/.installed-dev ## measure everything against its baselines
	@for file in $(if $(ARGS),$(ARGS),$(filter-out benchmarks/figures.py benchmarks/iceoryx.py,$(wildcard benchmarks/*.py))); do $(BIN)/python $$file || failed=1; done; exit $${failed:-0}

crash: $(VENV)/.installed-dev ## the crash and property tests at full length
	CRASH=full $(BIN)/python -m pytest -n 2 --timeout 1800 tests/crash tests/properties tests/streaming/test_consumer_faults.py $(ARGS)

# --- what is generated

.PHONY: docs docs-check completions completions-check
docs: $(VENV)/.installed-dev ## write the generated parts of README.md and docs/
	$(BIN)/python -m tools.generate_docs

docs-check: $(VENV)/.installed-dev ## fail when a generated part is stale
	$(BIN)/python -m tools.generate_docs --check

completions: $(VENV)/.installed-dev ## write the shell completions
	$(BIN)/python -m tools.generate_completions

completions-check: $(VENV)/.installed-dev ## fail when a completion is stale
	$(BIN)/python -m tools.generate_completions --check

.PHONY: clean
clean: ## remove the environment, the caches and what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo 'Installing alchemiser into $(VENV) (a minute or two the first time) ...'
	@$(INSTALL) 'pip>=25.3' # knows dependency groups and build constraints
	@$(INSTALL) --build-constraint constraints.txt --editable '.[data]'
	@touch $@

$(VENV)/.installed-train: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo 'Installing alchemiser and its libraries of training into $(VENV) (a few minutes the first time) ...'
	@$(INSTALL) 'pip>=25.3' # knows dependency groups and build constraints
	@$(INSTALL) --build-constraint constraints.txt --editable '.[train]'
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo 'Installing alchemiser and its tools of development into $(VENV) (a few minutes the first time) ...'
	@$(INSTALL) 'pip>=25.3' # knows dependency groups and build constraints
	@$(INSTALL) --build-constraint constraints.txt --group dev --editable '.[train,trace]'
	@touch $@ $(VENV)/.installed-demo $(VENV)/.installed-train

$(VENV)/pyvenv.cfg:
	@test -n '$(PYTHON)' || { echo 'alchemiser needs Python 3.11 or later: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
