# Everything a person or a machine does with this repository; `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
ARGS ?=
SEEDS ?= 20
LIVES ?= 2000
RECORDS ?= 5000
FAULT_RECORDS ?= 200000
REQUESTS ?= 200

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench bench-reads bench-cadence bench-simulation fault documents schemathesis fmt clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Build .venv with everything pinned, Kafka included (needs Python 3.11 or newer)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) -V 2>&1): make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "building $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "installing pinned packages ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps lifetimes==0.11.3
	@$(BIN)/python -m shared.local.install
	@touch $@

run: $(STAMP) ## Start the whole system and replay a real shop through it; ARGS=--exit stops after the tables
	@$(BIN)/stammkunde run $(ARGS)

test: $(STAMP) ## All tests, on a real Kafka and a real PostgreSQL (LIVES=2000 random lives against the plain fold, RECORDS=5000 awful records)
	PLAIN_LIVES=$(LIVES) FOREIGN_RECORDS=$(RECORDS) $(PYTEST) -n 2 --dist loadscope $(ARGS)

check: $(STAMP) ## Lint, format, types, architecture, unit tests: under a minute
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q -n 2 --dist worksteal tests/unit

bench: $(STAMP) ## Throughput and latency, as JSON lines
	@$(BIN)/python -m tests.bench $(ARGS)

bench-reads: $(STAMP) ## How fast every read is over a million customers, and point reads beside a busy worker
	@$(BIN)/python -m tests.bench.reads $(ARGS)

bench-cadence: $(STAMP) ## What the cadence model is worth: against published figures, on real purchases and simulated ones
	@$(BIN)/python -m tests.bench.cadence $(ARGS)

bench-simulation: $(STAMP) ## Trying a policy on about a million stored events
	@$(BIN)/python -m tests.bench.simulation $(ARGS)

fault: $(STAMP) ## Fault tests with many seeds (SEEDS=20), and FAULT_RECORDS=200000 awful records
	FOREIGN_RECORDS=$(FAULT_RECORDS) $(PYTEST) -q -n 2 --dist worksteal tests/unit/test_foreign_records.py
	FAULT_SEEDS=$(SEEDS) $(PYTEST) tests/fault $(ARGS)

documents: $(STAMP) ## Write docs/openapi/*.json from the applications, and the typed clients from these
	$(BIN)/python -m tests.contract.documents
	$(BIN)/python -m shared.client.codegen.generate docs/openapi

schemathesis: $(STAMP) ## Send many odd requests to every operation (REQUESTS=200 each)
	SCHEMATHESIS_REQUESTS=$(REQUESTS) $(PYTEST) tests/contract/test_schemathesis.py $(ARGS)

fmt: $(STAMP) ## Format, and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## Remove the environment, the data of the default home and all caches
	@test ! -x $(BIN)/stammkunde || $(BIN)/stammkunde down 2>/dev/null || true
	rm -rf $(VENV) .stammkunde build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
