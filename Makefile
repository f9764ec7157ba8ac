# `make demo` and `make test` need nothing but Python >= 3.11 and make: each sets up first.
# `make test PYTHON=python3.13` tries another Python, in an environment of its own.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := $(if $(filter command,$(firstword $(origin PYTHON))),.venv-$(notdir $(PYTHON)),.venv)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= demo

.PHONY: setup demo test lint bench docs dist clean

setup: $(READY)

# The stamp is written last, so that an interrupted set-up is begun again.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/dapatlas demo --out $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --cov --cov-report=term

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/mkdocs build --strict

# An sdist, and the wheel made from it; tests/packaging installs and tries such a wheel.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(DEMO) dist site .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
