# make firmware: from a fresh clone to validated firmware. Needs python3 (3.10 or newer, with venv) and make only.
PYTHON ?= python3
BOARD ?= stm32f746
OUT ?= out/firmware
MINUTES ?= 60
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py constraints.txt
C_SOURCES = $(shell find runtime_c codegen edgekit/exports -name '*.[ch]')

.PHONY: firmware test lint benchmark docs sizes fuzz clean

firmware: $(VENV)/.run
	$(BIN)/edgekit build --board $(BOARD) -o $(OUT)

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(C_SOURCES)
	$(BIN)/mypy -p edgekit -p benchmarks

benchmark: $(VENV)/.run
	$(BIN)/python -m benchmarks.mlperf_tiny

docs: $(VENV)/.run
	$(BIN)/python -m edgekit.reports.operators

# The size table that forecasts are made from: needed after every change of a kernel.
sizes: $(VENV)/.run
	$(BIN)/python -m edgekit.forecast.measure

# Divided among importers, passes and quantizer; failures are kept in tests/fuzz/crashes.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz.run --minutes $(MINUTES)

clean:
	rm -rf $(VENV) out build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.run

$(VENV)/.fuzz: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	touch $@ $(VENV)/.run
