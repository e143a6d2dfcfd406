# `make app`, `make lab` and `make test` each make the virtual environment first if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPHINX := $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -d docs/_build/doctrees -c docs
READY := $(VENV)/.ready
# Three test processes of one thread each, because browser tests mostly wait. The tests of a file run in one of them, because
# they share what its fixtures made.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile

.PHONY: app lab docs test check install notebooks executed clean
.DEFAULT_GOAL := app

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

app: $(READY)
	$(BIN)/python app.py

# PyTorch gets half of the cores: on a busy machine more threads than idle cores are many times slower.
lab: $(READY)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$$($(BIN)/python -c "import os; print(((os.cpu_count() or 1) + 1) // 2)")} \
		$(BIN)/jupyter lab notebooks

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)
	$(BIN)/pytest --doctest-modules gdrd_lab
	$(PYTEST) --nbmake --nbmake-timeout=300 -p no:cacheprovider notebooks/

# Runs each solution notebook once (3 minutes); it runs again only when its code, the package or the weights change.
docs: $(READY)
	$(SPHINX) . docs/_build/html
	$(SPHINX) -t solutions . docs/_build/teacher
	@echo docs/_build/html/index.html, and with the solutions docs/_build/teacher/index.html

notebooks: $(READY)
	$(BIN)/python notebooks/source/build.py

# Copies of the lessons with their figures, for readers of the repository: runs each whose cells, or the weights, changed.
executed: notebooks
	$(BIN)/python notebooks/source/executed.py

clean:
	rm -rf $(VENV) docs/_build docs/api .mypy_cache .ruff_cache .pytest_cache
