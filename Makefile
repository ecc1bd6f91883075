.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# The interpreter that .venv is made with: the first on PATH that is new enough, or `make PYTHON=/path/to/python3.12`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo "$$python" && break; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Most tests wait for other processes, so more files run beside each other than there are cores.
# In their order, so that the browser's tests come last (tests/conftest.py).
PYTEST := $(BIN)/pytest -q --numprocesses 4 --dist loadfile --no-loadscope-reorder

AXE := tests/browser/node_modules/axe-core/axe.min.js

.PHONY: help
help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(READY) ## Make .venv and install everything into it

$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo 'Python 3.11 or newer is needed and was not found; name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
	@$(BIN)/python -c 'import pip' >/dev/null 2>&1 || "$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { \
		echo '$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(BIN)/python -c 'import pip' >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[alerts,api,archive,dashboard,dev,embedded,http,operations,otel,s3]'
	@touch $@

.PHONY: demo
demo: $(READY) ## Run the payment workflow three times, with a Redis and workers of its own
	@$(BIN)/orchestrator demo

.PHONY: check
check: lint types test ## What CI runs: lint, format, types, floors, tests

.PHONY: lint
lint: $(READY) ## Check style, format and the floors
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo

.PHONY: types
types: $(READY) ## Check types
	@$(BIN)/mypy

.PHONY: test
test: $(READY) $(AXE) ## Run all tests but the fault storms
	@$(PYTEST)

.PHONY: unit
unit: $(READY) ## Run the tests that need no processes
	@$(PYTEST) -m 'not integration and not chaos'

.PHONY: browser
browser: $(READY) $(AXE) ## Run the tests of the dashboard in Chromium
	@$(BIN)/pytest -q tests/browser

$(AXE): tests/browser/package.json
	@! command -v npm >/dev/null || npm install --silent --no-package-lock --no-audit --no-fund --prefix tests/browser

.PHONY: chaos
chaos: $(READY) ## Run the fault storms
	@$(PYTEST) -m chaos

.PHONY: bench
bench: $(READY) ## Measure against plain Celery; writes bench/RESULTS.md
	@$(BIN)/python -m bench

.PHONY: bench-large
bench-large: $(READY) ## Measure with ten times as much of everything, and with a slow network; some minutes
	@$(BIN)/python -m bench.large

.PHONY: bench-dashboard
bench-dashboard: $(READY) ## Measure the dashboard's pages with 100,000 runs that are over, in Chromium; some minutes
	@$(BIN)/python -m bench.dashboard

.PHONY: docs
docs: $(READY) ## Draw the diagrams of the documentation anew
	@$(BIN)/python -m orchestrator.engine.diagrams docs/lifecycle.md

.PHONY: tour
tour: $(READY) ## Take the pictures of the dashboard's tour anew, in Chromium
	@$(BIN)/python -m tests.browser.tour

.PHONY: digests
digests: $(READY) ## Note the digests of specs/ anew, after a version was added
	@$(BIN)/orchestrator validate --digests specs > specs/digests.txt

.PHONY: format
format: $(READY) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

.PHONY: clean
clean: ## Remove .venv, caches and built packages
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
