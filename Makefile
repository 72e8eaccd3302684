# Two commands for a fresh machine: `make quickstart` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart test check site clean

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

# The manual as a site, in out/site. Its packages are nobody else's business.
SITE := .venv-docs/bin

site: .venv-docs/.installed
	NO_MKDOCS_2_WARNING=1 $(SITE)/mkdocs build --strict --quiet
	$(SITE)/python -m website.links out/site

.venv-docs/.installed: pyproject.toml constraints.txt constraints-docs.txt
	$(PYTHON) -m venv .venv-docs
	$(SITE)/python -m pip install --quiet --constraint constraints.txt --constraint constraints-docs.txt mkdocs-material
	touch $@

clean:
	rm -rf $(VENV) .venv-docs .mypy_cache .pytest_cache .ruff_cache .hypothesis
