# `make app`, `make lab` and `make test` each make the virtual environment first if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: app lab book test check install notebooks clean
.DEFAULT_GOAL := app

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

app: $(READY)
	$(BIN)/python app.py

lab: $(READY)
	$(BIN)/jupyter lab notebooks

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest
	$(BIN)/pytest --doctest-modules gdrd_lab
	$(BIN)/pytest --nbmake --nbmake-timeout=300 -p no:cacheprovider notebooks/

book: $(READY)
	$(BIN)/python -m gdrd_lab.course.book --out book

notebooks: $(READY)
	$(BIN)/python notebooks/build.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
