# Two commands matter: `make run` and `make test`. Everything is made in .venv and $DOUGONG_HOME.

PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export DOUGONG_HOME ?= var
HOST ?= 127.0.0.1
PORT ?= 8000
PASSWORD ?= dougong demo 2026
WORKERS ?= 2
# In CI nothing may be missing and nothing may be skipped.
REQUIRE := $(if $(filter true 1,$(CI)),--require)
SERVICES := $(BIN)/python tools/with_services.py $(REQUIRE)

.PHONY: run test check test-long bench clean

run: $(VENV)/installed
	@if [ ! -e "$(DOUGONG_HOME)/secret.key" ] && [ ! -e "$(DOUGONG_HOME)/dougong.db" ]; then \
	  $(BIN)/dougong init --demo --password "$(PASSWORD)"; \
	fi
	@echo "Address: http://$(HOST):$(PORT)"
	@echo "Login:   admin@example.com  (of a fresh demonstration: $(PASSWORD))"
	@exec $(BIN)/dougong serve --host $(HOST) --port $(PORT) --workers $(WORKERS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(SERVICES) $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long"

test-long: $(VENV)/installed-dev
	$(SERVICES) $(BIN)/python -m pytest -m long

bench: $(VENV)/installed-dev
	$(SERVICES) $(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find core plugins themes tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "The module venv is missing (Debian: apt install python3-venv)"; rm -rf $(VENV); exit 1; }

$(VENV)/installed: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[dev,postgres,redis,s3,browser]'
	@touch $@ $(VENV)/installed
