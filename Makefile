# One Makefile; `make help` explains each target.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
# Modules are compiled once, not by every process, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
# Nothing phones home.
export DO_NOT_TRACK := 1
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False
export SCARF_ANALYTICS := false
export GX_ANALYTICS_ENABLED := false
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

CUSTOMERS ?= 10000
DAYS ?= 3
SEED ?= 7
JOBS ?= 2

.PHONY: help install spark demo down test acceptance bench conformance lint format requirements clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@echo "installing uv $(UV_VERSION)"
	@$(PYTHON) -m venv .tools && .tools/bin/pip install -q "uv==$(UV_VERSION)"

.venv/.installed: $(UV) uv.lock pyproject.toml localcloud/pyproject.toml demo/pyproject.toml
	@echo "installing the locked environment"
	@$(UV) sync --all-packages --frozen --quiet --python $(PYTHON)
	@touch $@

.venv/.fetched: .venv/.installed localcloud/servers/artifacts.py
	@$(BIN)/localcloud fetch
	@touch $@

dbt_project/target/manifest.json: .venv/.installed $(wildcard config/sources/*.yaml) $(shell find dbt_project -path dbt_project/target -prune -o \( -name '*.sql' -o -name '*.yml' -o -name '*.csv' \) -print 2>/dev/null)
	@echo "parsing the dbt project"
	@rm -f $@
	@$(BIN)/cdap sources generate >/dev/null 2>.tools/generate.log || { cat .tools/generate.log; exit 1; }
	@touch $@

install: .venv/.fetched dbt_project/target/manifest.json ## Install everything that the other targets need

.venv-spark/.installed: .venv/.fetched
	@echo "installing Spark, which Glue's jobs run on"
	@UV_PROJECT_ENVIRONMENT=.venv-spark $(UV) sync --only-group spark --frozen --quiet --python $(PYTHON)
	@$(BIN)/localcloud fetch spark
	@touch $@

spark: install .venv-spark/.installed ## Install what Glue jobs run on: Spark, in an environment of its own (700 MB)

demo: install ## Run the platform on this machine: DAYS=3 CUSTOMERS=10000; it stays up to be looked at
	@$(BIN)/python -m demo.run --customers $(CUSTOMERS) --days $(DAYS) --seed $(SEED)

down: ## Stop all that `make demo` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo.run --down; fi

test: install ## Run all tests; JOBS=2 groups of them side by side
	@# In the order of collection: the end-to-end tests mostly wait, so they begin first.
	@$(BIN)/pytest -n $(JOBS)

acceptance: spark ## Prove on whole machines what takes too long for `make test`: sources added later, damaged records, kills
	@$(BIN)/pytest tests/acceptance --timeout 7200

bench: install ## Compare two ways of each costly step in one run: ratio and peak memory
	@for benchmark in benchmarks/[a-z]*_*.py; do $(BIN)/python -m "benchmarks.$$(basename $$benchmark .py)" || exit 1; done

conformance: install $(if $(filter dbt-redshift great-expectations,$(SUITE)),,.venv-spark/.installed) ## Run suites that others wrote against the local cloud: SUITE=dbt-redshift, great-expectations, amazon-provider
	@$(BIN)/python -m conformance $(SUITE) --jobs $(JOBS)

lint: .venv/.installed dbt_project/target/manifest.json ## Check style, types, imports, SQL and YAML
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/macros dbt_project/tests
	$(BIN)/yamllint --strict config dbt_project .pre-commit-config.yaml

format: .venv/.installed ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: $(UV) ## Export requirements.txt (what an Airflow image needs) from the lock
	$(UV) export --frozen --quiet --package cdap --no-default-groups --no-emit-workspace --no-hashes --no-header --no-annotate --output-file requirements.txt

clean: down ## Stop everything and remove what was built here
	rm -rf .localcloud .demo .cache cdk.out dbt_project/target dbt_project/logs .venv .venv-spark .tools
