# The commands of the project. Each sets up what it needs in .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test check format bench torture picture tables clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	touch $@

demo: $(VENV)/.ready  ## Train on handwritten digits, judge, serve, ask; ends what it started.
	BIN=$(BIN) DEMO=$(DEMO) bash examples/demo.sh

test: $(VENV)/.ready  ## The test suite.
	$(BIN)/python -m pytest

check: $(VENV)/.ready  ## Format, lint, types, arrows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## Tables of figures; nothing here passes or fails.
	for program in benchmarks/*.py; do echo; echo "== $$program"; $(BIN)/python $$program || exit 1; done

torture: $(VENV)/.ready  ## Kills by the hundred; takes long.
	$(BIN)/python -m pytest -m torture --timeout 3600 -s

picture: $(VENV)/.ready  ## Draw docs/workflow.svg from the definition.
	$(BIN)/python docs/draw_workflow.py

tables: $(VENV)/.ready  ## Write the tables of docs/step-functions.md from the code.
	$(BIN)/python docs/describe_step_functions.py

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
