# Two commands for a fresh machine: `make quickstart` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart test check clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,train]'
	touch $@

quickstart: install
	$(BIN)/mixwright run specs/quickstart.mix
	$(BIN)/mixwright train specs/quickstart.mix
	$(BIN)/mixwright export specs/quickstart.mix --report .mixwright/report.html
	@echo 'What happened, on one page: .mixwright/report.html'

test: install check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=3 --dist=loadscope

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mixwright.catalog --check

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
