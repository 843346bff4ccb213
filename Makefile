# Two commands matter: `make run` and `make test`. Everything is made in .venv and $DOUGONG_HOME.

# The first that runs and is new enough; say which with `make PYTHON=…`.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3; do \
  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
export DOUGONG_HOME ?= var
HOST ?= 127.0.0.1
PORT ?= 8000
PASSWORD ?= dougong demo 2026
WORKERS ?= 2
# In CI nothing may be missing and nothing may be skipped.
IN_CI := $(filter true 1,$(CI))
SERVICES := $(BIN)/python tools/with_services.py $(if $(IN_CI),--require)
PYTEST := $(BIN)/python -m pytest $(if $(IN_CI),-p tools.no_skips)

# Tests start the suite in dozens of processes: each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check test-long coverage bench clean

run: $(VENV)/installed
	@if [ ! -e "$(DOUGONG_HOME)/secret.key" ] && [ ! -e "$(DOUGONG_HOME)/dougong.db" ]; then \
	  $(BIN)/dougong init --demo --password "$(PASSWORD)"; \
	fi
	@echo "Address: http://$(HOST):$(PORT)"
	@echo "Login:   admin@example.com  (of a fresh demonstration: $(PASSWORD))"
	@DOUGONG_BASE_URL="$${DOUGONG_BASE_URL:-http://localhost:$(PORT)}" exec $(BIN)/dougong serve --host $(HOST) --port $(PORT) --workers $(WORKERS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(SERVICES) $(PYTEST) -n 4 --dist loadgroup -m "not long"

test-long: $(VENV)/installed-dev
	$(SERVICES) $(PYTEST) -n 4 --dist loadgroup -m long

# How much of the core the tests run; what is asked of it is in tools/coverage_floor.py. Measuring
# slows everything down, so whether tests pass is not decided here. The probes at random are left out:
# they run the same code thousands of times.
coverage: $(VENV)/installed-dev
	rm -f .coverage .coverage.*
	-$(SERVICES) $(BIN)/python -m pytest -n 3 --dist loadgroup -m "not long and not browser" -qq \
	  $(addprefix --ignore=tests/security/,test_oracle.py test_guards.py test_guessing_game.py) \
	  --cov=core --cov-branch --cov-report=json:.coverage.json
	$(BIN)/python tools/coverage_floor.py .coverage.json

bench: $(VENV)/installed-dev
	$(SERVICES) $(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find core plugins themes tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "The module venv is missing (Debian: apt install python3-venv)"; rm -rf $(VENV); exit 1; }

$(VENV)/installed: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[dev,postgres,redis,s3,browser]'
	@rm -rf dougong.egg-info  # pytest would compile all that it lists anew, as parts of its plugin
	@touch $@ $(VENV)/installed
