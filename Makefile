# The commands of the project. Each sets up what it needs in .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo

# Other clients than boto3, for the tests: each in a folder of its own, at versions that are known to go.
CLIENTS := .clients
AWSCLI := awscli==1.46.3
NPM := axe-core@4.14.1 @aws-sdk/client-rekognition@3.1142.0 @aws-sdk/client-sfn@3.1164.0 @aws-sdk/client-s3@3.1175.0

# What looks at the AWS application, each in an environment of its own: their dependencies exclude one another.
AWSTOOLS := .aws-tools
ASL_VALIDATOR := asl-validator@4.0.0

.PHONY: demo test check format bench bench-training torture picture tables clean clients aws-tools aws-check

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev,hub,postgres]'
	touch $@

demo: $(VENV)/.ready  ## Train on handwritten digits, judge, serve, ask; ends what it started.
	BIN=$(BIN) DEMO=$(DEMO) bash examples/demo.sh

test: $(VENV)/.ready  ## The test suite; the tests of a file share servers and models, so they stay in one process.
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

clients:  ## The AWS CLI and the SDK for JavaScript, with which some tests ask too.
	$(PYTHON) -m venv $(CLIENTS)/awscli
	$(CLIENTS)/awscli/bin/python -m pip install --quiet --disable-pip-version-check $(AWSCLI)
	command -v npm >/dev/null && npm install --prefix $(CLIENTS) --silent --no-audit --no-fund --save-exact $(NPM)

$(AWSTOOLS)/.ready: aws/requirements.txt aws/requirements-checkov.txt
	for tools in sam checkov; do $(PYTHON) -m venv $(AWSTOOLS)/$$tools || exit 1; done
	$(AWSTOOLS)/sam/bin/python -m pip install --quiet --disable-pip-version-check -r aws/requirements.txt
	$(AWSTOOLS)/checkov/bin/python -m pip install --quiet --disable-pip-version-check -r aws/requirements-checkov.txt
	if command -v npm >/dev/null; then \
		npm install --prefix $(AWSTOOLS)/node --silent --no-audit --no-fund --save-exact $(ASL_VALIDATOR); \
	else echo "no npm: asl-validator will be skipped"; fi
	touch $@

aws-tools: $(AWSTOOLS)/.ready  ## The SAM command line, cfn-lint, parliament, checkov, asl-validator.

# `make aws-tools` comes before; a step whose tool is missing is skipped with a message.
aws-check: $(VENV)/.ready  ## What can be known of the AWS application without an account.
	PYTHONPATH=.:src $(BIN)/python -m aws $(STEPS)

check: $(VENV)/.ready  ## Format, lint, types, arrows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## Tables of figures; nothing here passes or fails. Trainings have a target of their own.
	for program in $(filter-out %/training.py %/beside_yolo.py,$(wildcard benchmarks/*.py)); do \
		echo; echo "== $$program"; $(BIN)/python $$program || exit 1; done

bench-training: $(VENV)/.ready  ## The table of docs/training.md: hours; it goes on where it stopped.
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/beside_yolo.py

torture: $(VENV)/.ready  ## Kills by the hundred; takes long.
	$(BIN)/python -m pytest -m torture --timeout 3600 -s

picture: $(VENV)/.ready  ## Draw docs/workflow.svg from the definition.
	$(BIN)/python docs/draw_workflow.py

tables: $(VENV)/.ready  ## Write the tables of docs/step-functions.md from the code.
	$(BIN)/python docs/describe_step_functions.py

clean:
	rm -rf $(VENV) $(CLIENTS) $(AWSTOOLS) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
