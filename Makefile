.DEFAULT_GOAL := help
.PHONY: help demo up test faults check coverage bench bench-load format lock openapi screenshots

# Hundreds of processes start; without kept bytecode each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Six processes side by side, each with the tests of its group (tests/conftest.py), the same in every run.
test coverage: export PYTHONHASHSEED := 0
test: export PYTEST_ADDOPTS := -n 6 --dist each --max-worker-restart 0
coverage: export PYTEST_ADDOPTS := -n 0

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Set up, start everything and drive one claim to its certificate (ARGS="--flow b --once --fast")
	@bin/setup && .venv/bin/laurel demo $(ARGS)

up: ## Set up and start everything without demo data (ARGS="--port 8080")
	@bin/setup && .venv/bin/laurel up $(ARGS)

test: ## Set up and run every test (ARGS="tests/domain -x")
	@bin/setup --dev && .venv/bin/pytest $(ARGS)

KILLS ?= 600
SEED ?=

faults: ## Set up and let everything fail for half an hour; writes its result into docs/guarantees.md (KILLS=600 SEED=<of a run>)
	@bin/setup --dev
	LAUREL_KILLS=$(KILLS) LAUREL_SEED=$(SEED) LAUREL_FAULTS_REPORT=docs/guarantees.md .venv/bin/pytest tests/faults/test_storm.py $(ARGS)

check: ## Set up and check style, types and the direction of imports
	@bin/setup --dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy .
	.venv/bin/lint-imports

coverage: ## Set up and check that the tests of the rules reach every branch
	@bin/setup --dev
	.venv/bin/pytest tests/domain -q --hypothesis-profile=coverage --cov=domain --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

bench: ## Set up and measure: claims per second against the floor, latency, a large meeting, certificates
	@bin/setup --dev
	.venv/bin/python -m bench.claims $(ARGS)
	.venv/bin/python -m bench.meeting
	.venv/bin/python -m bench.certificate

bench-load: ## Set up and measure under load: deadlines, a conference, idle claims; where time goes (ARGS="--claims 200")
	@bin/setup --dev
	@status=0; for bench in profile "storm $(ARGS)" "storm --spread 0 $(ARGS)" "conference $(ARGS)" "idle $(ARGS)"; do \
		.venv/bin/python -m bench.$$bench || status=1; done; exit $$status

openapi: ## Set up and write the description of the API for typed clients (docs/openapi.json)
	@bin/setup
	.venv/bin/laurel openapi > docs/openapi.json

screenshots: ## Set up and take the pictures of docs/pages.md from the running demo, or one of its own (ARGS=<its data folder>)
	@bin/setup --dev
	.venv/bin/python -m tests.browser.screenshots $(ARGS)

format: ## Set up and format the code
	@bin/setup --dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# The locks hold one version and its hashes for every supported Python and platform. After changing a dependency in
# pyproject.toml run `make lock` and commit the files; `make lock ARGS=--upgrade` also takes newer versions.
# The tool is uv: the one named by UV, else one in a private environment, which is made when it is missing.
UV ?= .venv/uv/bin/uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(ARGS)

lock: $(UV) ## Pin every dependency again from pyproject.toml (ARGS=--upgrade)
	$(COMPILE) --extra local --extra sign --extra otel --extra dev pyproject.toml --output-file requirements-dev.lock
	echo "hatchling>=1.27" | $(COMPILE) --extra local --constraint requirements-dev.lock pyproject.toml - \
		--output-file requirements.lock
	echo "hatchling>=1.27" | $(COMPILE) --extra sign --extra otel --constraint requirements-dev.lock pyproject.toml - \
		--output-file requirements-server.lock

.venv/uv/bin/uv:
	python3 -m venv .venv/uv
	.venv/uv/bin/pip install --quiet uv
