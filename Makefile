# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts notebooks lock clean

BIN := .venv/bin
STAMP := .venv/.installed
ENGINES := .venv/.engines
PYTEST_ARGS ?=
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3 python)

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(STAMP) ## the main job on real purchases, the truth beside every estimate
	@$(BIN)/dpnotice demo --output demo-output

test: $(ENGINES) ## the tests and doctests, without the slow simulations
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow" $(PYTEST_ARGS)

lint: $(STAMP) ## style, spelling, docstrings, dead code
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/codespell
	@$(BIN)/interrogate --quiet dpnotice
	@$(BIN)/vulture

types: $(STAMP) ## types, strictly
	@$(BIN)/mypy dpnotice $(wildcard tests/typing/api.py)

contracts: $(STAMP) ## who may import whom
	@$(BIN)/lint-imports --no-logo

notebooks: $(STAMP) ## run every notebook and compare its numbers
	@$(BIN)/python notebooks/run.py

lock: $(STAMP) ## solve the dependencies anew and write uv.lock
	@$(BIN)/uv lock --upgrade

clean: ## remove .venv, builds, caches and outputs
	@rm -rf .venv build dist demo-output .coverage .hypothesis .*_cache notebooks/*.run.ipynb
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs exactly what uv.lock lists. Where it cannot, pip solves pyproject.toml anew and says so.
# --without-pip is for systems that ship Python without ensurepip; pip then works from outside.
$(STAMP): pyproject.toml uv.lock
	@python=; for name in $(CANDIDATES); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "dpnotice needs Python 3.11 or newer, and none was found. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "Setting up .venv with $$("$$python" --version); the first time takes a few minutes."; \
	if "$$python" -m venv .venv >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	else "$$python" -m venv --clear --without-pip .venv && pip="$$python -m pip --python $(BIN)/python"; fi || exit 1; \
	if $$pip install --quiet --disable-pip-version-check uv \
	  && UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --quiet --frozen --python $(BIN)/python; then :; \
	else \
	  echo "uv could not install the locked set; installing with pip from pyproject.toml instead."; \
	  $$pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1" \
	    && $(BIN)/python -m pip install --quiet --group dev --editable . || exit 1; \
	fi
	@touch $@

# Spark and PostgreSQL, against which the tests count. Without them those tests are skipped, in CI they fail.
$(ENGINES): $(STAMP)
	@echo "Installing Spark, Java and PostgreSQL for the tests (500 MB)."
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --quiet --frozen --group engines --python $(BIN)/python \
	  || $(BIN)/python -m pip install --quiet --group engines \
	  || echo "The engines could not be installed; their tests will be skipped." >&2
	@touch $@
