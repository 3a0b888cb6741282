# Everything a person or a machine does with this repository. Needs python3 (3.11+) and make.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# Two workers: what continuous integration has; more only helps on larger machines.
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint bench bench-scale bench-incremental bench-gate bench-gate-rivals bench-gate-speed bench-detectors docs lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/installed ## Make a four-week shop with planted incidents, and run everything on it
	@$(VENV)/bin/tallymark demo

test: $(VENV)/installed ## Run the tests; minutes
	@$(RUN) -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: $(VENV)/installed ## Run the suites of many cases
	@$(RUN) -m pytest -q -n $(WORKERS) --dist worksteal -m slow

lint: $(VENV)/installed ## Style, types and the import law
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/installed ## Measure speed and memory; prints a table
	@$(RUN) bench/river.py

bench-scale: $(VENV)/installed ## Measure ten million events; needs some minutes and 10 GB of disk
	@$(RUN) -m bench.scale

bench-incremental: $(VENV)/installed ## Measure what one more day costs after two weeks and after a year
	@$(RUN) bench/incremental.py

bench-gate: $(VENV)/installed ## Plant faults into simulated shops; prints what the gate found
	@$(RUN) bench/gate_renames.py
	@$(RUN) bench/gate_incidents.py
	@$(RUN) bench/gate_incidents.py --clean 20

bench-gate-rivals: $(VENV)/installed ## Time 15 rules beside three other tools (needs a package index)
	@$(RUN) -m bench.gate_rivals

bench-gate-speed: $(VENV)/installed ## Measure the gate on ten million rows beside one scan
	@$(RUN) -m bench.gate_speed

bench-detectors: $(VENV)/installed ## Plant incidents into simulated metrics; prints recall and false alarms
	@$(RUN) -m bench.detectors
	@$(RUN) -m bench.detectors.on_events
	@$(RUN) -m bench.detectors.on_real
	@$(RUN) -m bench.monitor_speed

docs: $(VENV)/installed ## Write the generated pages of docs/ anew
	@$(RUN) -m docs.generate

lock: ## Lock the newest development dependencies (maintainers; needs uv)
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --upgrade --quiet --no-header --no-emit-index-url \
		--no-emit-find-links --output-file requirements/dev.lock

clean: ## Remove everything that was made here, the virtual environment too
	@rm -rf $(VENV) demo-shop build dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	@find src tests docs bench -name __pycache__ -prune -exec rm -rf {} +

# The environment, in two steps: a new lock makes it anew, so that it holds the lock and nothing
# else; a changed pyproject.toml only installs the package again.
$(VENV)/locked: requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Tallymark needs Python 3.11 or newer, and '$(PYTHON)' is not." \
		"Name another: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) (once; about a minute) ..." >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install -qq --disable-pip-version-check --require-hashes \
		--only-binary :all: --requirement requirements/dev.lock
	@touch $@

$(VENV)/installed: $(VENV)/locked pyproject.toml
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation \
		--no-index --editable .
	@touch $@
