# Two commands on a fresh machine: `make demo` and `make test`. Each creates what it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
# uv from PATH when there is one, else one of our own in .uv/
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
STAMP := .venv/.synced
# COMPILED=1: test, bench and demo run the program whose hot path mypyc has compiled
COMPILED_VENV := .venv-compiled
RUN := $(if $(COMPILED),$(COMPILED_VENV)/bin,$(BIN))
READY := $(if $(COMPILED),compiled,$(STAMP))
# Bytecode is kept: without it every start compiles the program and its packages again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo observe test check compiled format faults simulate fuzz audit soak load bench bench-engine mutants producers \
  profile docs docs-site docs-serve dashboards pictures schemas sbom tokens version release-check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(READY)  ## the main job on an embedded broker, in half a minute
	@$(RUN)/tray-stream demo

observe: $(STAMP)  ## Kafka, Prometheus, a load and failing workflows to watch, here and without containers
	@$(BIN)/python -m stream.demo.observe $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE)) \
	  $(if $(OUTAGE),--kafka-outage $(OUTAGE))

test: check $(READY)  ## everything: format, lint, types, unit, property and real-Kafka tests; COMPILED=1, ONLY=paths
	COMPILED=$(COMPILED) $(RUN)/pytest --numprocesses $(or $(PROCESSES),4) --dist loadgroup $(ONLY)

# The wheel is built from the source distribution, so that nothing compiled is left in the checkout.
compiled: $(STAMP)  ## the program with its hot path compiled by mypyc, in .venv-compiled; needs a C compiler
	rm -rf dist/compiled
	HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(UV) build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist/compiled
	UV_PROJECT_ENVIRONMENT=$(COMPILED_VENV) $(UV) sync --locked --all-extras --quiet --no-install-project --inexact --python $(BIN)/python
	$(UV) pip install --quiet --no-deps --reinstall --python $(COMPILED_VENV) dist/compiled/*.whl

check: $(STAMP)  ## format, lint, strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@for file in tests/*/conftest.py; do $(BIN)/mypy $$file || exit 1; done

format: $(STAMP)  ## rewrite the files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

faults: $(STAMP)  ## the fault matrix on real Kafka; ROW=n, SEED=n, SEEDS=n, WRITE=1 writes MATRIX.md
	@PYTHONPATH=tests:tests/acceptance $(BIN)/python tests/faults/faults.py $(if $(ROW),--row $(ROW)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WRITE),--write) $(if $(KEEP),--keep $(KEEP))

tokens: $(STAMP)  ## three minutes of events on real Kafka with tokens of 30 s
	TRAY_TEST_TOKEN_RUN_S=180 $(BIN)/pytest -q -rP tests/acceptance/test_acceptance_tokens.py -k refreshed

simulate: $(STAMP)  ## the engine in thousands of broken worlds: make simulate SEEDS=10000
	PYTHONPATH=tests $(BIN)/python -m support.simulate --seeds $(or $(SEEDS),10000)

audit: $(STAMP)  ## known vulnerabilities of the locked packages (asks pypi.org; AUDIT="-s osv" asks OSV)
	@$(BIN)/python .ci/audit.py "$(UV)" $(BIN)/pip-audit $(AUDIT)

soak: $(STAMP)  ## hours on real Kafka with faults by random seed, and a checker: make soak HOURS=1 (SEED, RATE)
	@PYTHONPATH=tests $(BIN)/python tests/soak/soak.py --hours $(or $(HOURS),1) $(if $(SEED),--seed $(SEED)) \
	  $(if $(RATE),--rate $(RATE)) $(if $(DIRECTORY),--directory $(DIRECTORY))

load: $(STAMP)  ## the rate at which lag stays flat, and twice as much: make load MINUTES=10 (WORKFLOWS=1,10, JSON)
	@PYTHONPATH=tests $(BIN)/python tests/bench/sustained_load.py $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(WORKFLOWS),--workflows $(WORKFLOWS)) $(if $(JSON),--json $(JSON))

producers: $(STAMP)  ## 10,000 events of each real producer, and a registry that hangs and is killed for 30 s: make producers EVENTS=10000
	PRODUCED=$(or $(EVENTS),10000) AWAY_S=30 $(BIN)/pytest -q -rP tests/acceptance/test_acceptance_registry.py \
	  tests/acceptance/test_acceptance_producers.py

fuzz: $(STAMP)  ## 100,000 generated inputs for each of what reads from outside; FUZZ=1000 for fewer
	FUZZ=$(or $(FUZZ),100000) $(BIN)/pytest -m fuzz --numprocesses $(or $(PROCESSES),4) --durations=0 --durations-min=1

bench: $(READY)  ## speed on real Kafka in one sitting; ALL=1, ONLY=name, EVENTS=n, ROUNDS=n, JSON=file, COMPILED=1
	@UV=$(UV) PYTHONPATH=tests $(RUN)/python tests/bench/bench.py $(if $(ALL),--all) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(EVENTS),--events $(EVENTS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON))

bench-engine: $(STAMP)  ## what the engine alone costs an event, with many others waiting too, a commit and a scrape
	PYTHONPATH=tests $(BIN)/python tests/bench/engine_cost.py
	PYTHONPATH=tests $(BIN)/python tests/bench/waiting_events.py
	PYTHONPATH=tests $(BIN)/python tests/bench/commit_cost.py
	PYTHONPATH=tests $(BIN)/python tests/bench/scrape_cost.py
	PYTHONPATH=tests $(BIN)/python tests/bench/worst_event.py

mutants: $(STAMP)  ## does a test notice each change of the engine's pure parts? survivors are listed; ONLY=gate, JOBS=n
	$(BIN)/mutmut run $(if $(JOBS),--max-children $(JOBS)) $(if $(ONLY),"stream.*.$(ONLY).*")
	$(BIN)/mutmut results

profile: $(STAMP)  ## where the time goes on a bench run: top lists and a flame graph (py-spy)
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_profile.py $(if $(EVENTS),--events $(EVENTS)) $(SETTINGS)

docs: $(STAMP)  ## write the generated parts of docs/ and ARCHITECTURE
	$(BIN)/python tests/documents/generated.py

docs-site: $(STAMP)  ## build the site of docs/ into site/
	$(BIN)/zensical build --strict

docs-serve: $(STAMP)  ## show the site of docs/ while you write it
	$(BIN)/zensical serve

dashboards: $(STAMP)  ## write grafana/dashboards/*.json from their source, and the chart's copies of them and of the rules
	$(BIN)/python grafana/source/boards.py
	cp grafana/dashboards/*.json deploy/chart/files/dashboards/
	cp grafana/prometheus/rules/*.yml deploy/chart/files/rules/

pictures: $(STAMP)  ## draw grafana/pictures/*.svg from a real run
	$(BIN)/python grafana/source/pictures.py

schemas: $(STAMP)  ## write schemas/config.schema.json from the settings model
	$(BIN)/python -m stream.settings.publish schemas/config.schema.json

sbom: $(STAMP)  ## list the packages of an installation with all extras, as CycloneDX, in dist/
	@mkdir -p dist
	$(UV) export --quiet --locked --no-dev --no-group build --all-extras --format cyclonedx1.5 --output-file dist/tray-stream.cdx.json

version:  ## write a release's version into every file that names it: make version VERSION=1.2.3
	@$(PYTHON) .ci/set_version.py "$(VERSION)"

release-check: $(STAMP)  ## build wheel, sdist, image and chart, install each into an empty place, run the demo from it
	@PYTHONPATH=tests:tests/deploy $(BIN)/python tests/deploy/release_check.py

$(STAMP): pyproject.toml uv.lock Makefile $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv)
	$(UV) sync --locked --all-extras --quiet --python "$${UV_PYTHON:-$$($(PYTHON) .ci/fastest_python.py)}"
	@touch $@

.uv/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tray-stream needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement .ci/uv.txt

clean:  ## remove what the other targets made
	rm -rf .venv $(COMPILED_VENV) .uv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist site
