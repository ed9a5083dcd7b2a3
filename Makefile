# `make` lists the targets. Everything runs in this folder's own virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
TORCH := torch==2.13.0  # exact here; the extra of the package gives a range
.PHONY: help demo test verify faults browser lint bench docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'  # the first pip that knows dependency groups
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.tests: $(STAMP)
	@$(PIP) install '$(strip $(TORCH))' --editable '.[torch]' --group test
	@touch $@

$(VENV)/.docs: $(VENV)/.tests
	@$(PIP) install --group docs
	@touch $@

$(VENV)/.browser: $(VENV)/.tests
	@$(PIP) install --group browser
	@touch $@

$(VENV)/.linters: $(VENV)/.tests
	@$(PIP) install --group lint
	@touch $@

demo: $(STAMP) ## bounds, a simulation on digits and Gaussian points, and a picture, in demo/
	@mkdir -p demo
	$(BIN)/neurondeath bounds --width 2,3,4,8 --depth 50
	@echo
	$(BIN)/neurondeath simulate --width 2,3,4,8 --depth 50 --inputs digits:256 --inputs gaussian:64 \
		--trials 2000 --store demo/survival.sqlite
	$(BIN)/neurondeath plot demo/survival.sqlite --out demo/survival_depth.png
	@echo "results: demo/survival.sqlite   picture: demo/survival_depth.png"

test: $(VENV)/.tests ## the tests and the examples in the documentation
	$(BIN)/python -m pytest -n auto --dist loadfile

verify: $(VENV)/.tests ## the long suites: statistical tests over many seeds, all claims in full
	NEURONDEATH_SEEDS=20 $(BIN)/python -m pytest -n auto -m statistical
	$(BIN)/neurondeath check --self-test
	$(BIN)/neurondeath check --full

faults: $(VENV)/.tests ## fault injection: kills, signals, full disks, damaged files
	$(BIN)/python -m pytest tests/faults -m faults

browser: $(VENV)/.browser ## the explorer, and the site where it is built, in chromium (apt-get install chromium)
	$(BIN)/python -m pytest tests/explorer tests/documentation -m browser

lint: $(VENV)/.linters ## style, types, the arrows between packages, and the language
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.ci $(BIN)/lint-imports
	$(BIN)/python .ci/words.py

bench: $(VENV)/.tests ## speed against NumPy, PyTorch and sgemm, overheads; JSON in benchmarks/results/
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/precision_per_second.py --json benchmarks/results/precision.json
	$(BIN)/python benchmarks/sweep_overhead.py
	$(BIN)/python benchmarks/monitor_overhead.py --json benchmarks/results/monitor.json
	$(BIN)/python benchmarks/method_overhead.py --json benchmarks/results/methods.json
	$(BIN)/python benchmarks/deep_steps.py --json benchmarks/results/deep_steps.json

docs: $(VENV)/.docs ## the documentation site, in docs/_build/html
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

clean: ## remove the environment and everything that was made
	rm -rf $(VENV) demo build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
