# CTS Trade Engine. `make run` and `make test` install what they need into .venv first.

PYTHON ?= $(shell for candidate in python3.12 "$$HOME"/.pyenv/versions/3.12*/bin/python python3.13 \
	"$$HOME"/.pyenv/versions/3.13*/bin/python python3.11 python3; do \
	if "$$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$candidate"; break; fi; done)
BIN := .venv/bin
STAMP := .venv/.installed
REQUIREMENTS := requirements.txt requirements-local.txt requirements-dev.txt \
	requirements-data.txt pyproject.toml

TOOLS := build/tools
STAGE ?= dev

.PHONY: install run test test-acceptance check bench-peers bench-backtest bench-ladder bench-usage bench-startup clean \
	policies package vendor test-package test-deployed test-faults test-infra-security infra deploy study

install: $(STAMP)

$(STAMP): $(REQUIREMENTS)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; set PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -e .
	touch $(STAMP)

# Options go in ARGS: make run ARGS="--market sim --port 8080"
run: $(STAMP)
	$(BIN)/cts run $(ARGS)

# A worker per processor; the tests of a file share one, and with it what they build once.
test: check
	$(BIN)/python -m pytest -n auto --dist loadfile
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; \
	then $(MAKE) package test-package; \
	else echo "The package is not built: it needs Python 3.12 or newer, the runtime of the functions."; fi

# The long replays on recorded candles: a quarter of an hour.
test-acceptance: $(STAMP)
	$(BIN)/python -m pytest -m acceptance tests/acceptance tests/local/test_run_fake_venue.py

# Every fault of docs/faults.md on every exchange, killed processes among them; writes that page.
test-faults: $(STAMP)
	rm -f build/faults/results.jsonl
	@failed=0; $(BIN)/python -m pytest -m "faults or not faults" tests/faults || failed=$$?; \
	$(BIN)/python -m tests.faults.table || failed=$$?; exit $$failed

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Writes .chalice/policies from infra/permissions.py; a test says when that is due.
policies: $(STAMP)
	$(BIN)/python -m infra.policies

# Zips and templates of all stages for both architectures, checked, in build/package.
package: $(STAMP)
	$(BIN)/python -m infra.package $(ARGS)

# What `chalice deploy` needs beside app.py; `make package` writes it too.
vendor: $(STAMP)
	$(BIN)/python -m infra.vendor

# Every function of the package under Lambda's own runtime, and again with a dependency missing.
test-package: $(STAMP)
	CTS_PACKAGE=build/package $(BIN)/python -m pytest tests/infra/test_packaged.py

# The package, deployed with our own commands to an AWS emulator: some six minutes.
test-deployed: $(STAMP) $(TOOLS)/ministack/.installed
	test -f build/package/prod/template.json || $(MAKE) package
	$(BIN)/python -m pytest -m deployed tests/deployed

$(TOOLS)/ministack/.installed: requirements-deployed.txt
	"$(PYTHON)" -m venv $(TOOLS)/ministack
	$(TOOLS)/ministack/bin/python -m pip install --disable-pip-version-check --quiet -r requirements-deployed.txt
	touch $@

# checkov in an environment of its own; reasons of what it leaves out are in .checkov.yaml.
test-infra-security: $(STAMP) $(TOOLS)/checkov/.installed-3.3.30
	$(BIN)/python -m infra.templates build/templates
	$(TOOLS)/checkov/bin/checkov --config-file .checkov.yaml --directory build/templates

$(TOOLS)/checkov/.installed-3.3.30:
	"$(PYTHON)" -m venv $(TOOLS)/checkov
	$(TOOLS)/checkov/bin/python -m pip install --disable-pip-version-check --quiet checkov==3.3.30
	touch $@

# What holds the state of a stage, before its functions: make infra STAGE=dev ARGS="--region eu-central-1"
infra: $(STAMP)
	$(BIN)/python -m infra.stack --stage $(STAGE) $(ARGS)

# The functions that `make package` has built.
deploy: $(STAMP)
	$(BIN)/python -m infra.stack --stage $(STAGE) --functions $(ARGS)

# Measures freqtrade in an environment of its own under .bench; nothing of it enters .venv.
bench-peers: $(STAMP)
	$(BIN)/python -m tests.bench.bench_peers

# The whole backtest against freqtrade's, in one run.
bench-backtest: $(STAMP)
	$(BIN)/python -m tests.bench.bench_backtest

# The ladder against vectorbt, in an environment of its own, and against its limits of memory and time.
bench-ladder: $(STAMP)
	$(BIN)/python -m tests.bench.bench_ladder

# What luck and what skill reach on the ladder (docs/ladder.md): under a minute, into build/study.
study: $(STAMP)
	$(BIN)/cts ladder study --data $${CTS_SHARED:-../shared}/data/ohlcv/binance_spot --out build/study $(ARGS)

# Counts again what a run costs, into chalicelib/operations/cost/usage.json: some ten minutes.
bench-usage: $(STAMP)
	$(BIN)/python -m tests.bench.bench_usage

# Cold starts of our functions beside plain imports and freqtrade.
bench-startup: $(STAMP)
	$(BIN)/python -m tests.bench.bench_startup

clean:
	rm -rf .venv .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
