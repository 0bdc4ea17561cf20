# One command each: run, test, check, bench. Everything lives in .venv; nothing is assumed but
# Python >= 3.11, make and the package registries.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev

.PHONY: run test clients test-compiled test-workers check format fuzz bench bench-quick clean schema

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aigw needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

$(STAMP): setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	$(BIN)/twistd --help >/dev/null  # writes Twisted's plugin cache once
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

run: $(STAMP)  ## the gateway on the built-in echo provider; no account needed
	@echo 'When it listens, try this in another terminal:'
	@echo
	@echo "  curl -s http://127.0.0.1:8000/v1/chat/completions -H 'apikey: demo-key' -H 'content-type: application/json' \\"
	@echo "    -d '{\"model\": \"echo\", \"messages\": [{\"role\": \"user\", \"content\": \"Say hello.\"}]}'"
	@echo
	exec $(BIN)/twistd --nodaemon --pidfile= aigw -c etc/demo.toml

# Whoever names tests has the clients installed by hand if they are needed.
test: $(DEV_STAMP) $(if $(TESTS),,.clients/.installed)  ## every test; prints "N passed, N failed" last
	$(BIN)/python -m tests $(TESTS)

# Node.js is one of PyPI's packages, so nothing of the machine is needed. Not npm ci, which wants the packages of every
# platform in the lock. Of the packages' own install scripts only those two are run that put a binary in its place.
# aider wants Python below 3.13, and an environment of its own.
.clients/.installed: $(wildcard tests/dist/clients/*)
	rm -rf .clients
	$(PYTHON) -m venv .clients/python
	.clients/python/bin/python -m pip install --quiet --disable-pip-version-check -r tests/dist/clients/requirements.txt
	cp tests/dist/clients/package.json tests/dist/clients/package-lock.json .clients/
	cd .clients && PATH="$$PWD/python/bin:$$PATH" npm install --ignore-scripts --no-audit --no-fund --loglevel=error
	cd .clients/node_modules/@anthropic-ai/claude-code && ../../../python/bin/node install.cjs
	cd .clients/node_modules/opencode-ai && ../../python/bin/node postinstall.mjs
	if $(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
	  $(PYTHON) -m venv .clients/aider && \
	  .clients/aider/bin/python -m pip install --quiet --disable-pip-version-check -r tests/dist/clients/aider.txt; fi
	@touch $@

clients: .clients/.installed  ## the clients of docs/clients.md, which tests/dist/test_client_*.py run

.venv-compiled/.installed: setup.py setup.cfg pyproject.toml $(shell find aigw -name '*.py') | $(BIN)/python
	$(PYTHON) -m venv .venv-compiled
	AIGW_COMPILE=1 .venv-compiled/bin/python -m pip install --quiet --disable-pip-version-check '.[bedrock,vertex]'
	@touch $@

# Not what builds and installs by itself, or never starts the daemon.
ON_COMPILED := conformance contract examples failover gateway large_bodies matrix memory sdk socket_activation workers

# Of the tests of the wire, those that put no class of their own in the place of a compiled one, or under it, and that ask
# no weak reference to a compiled object.
WIRE_ON_COMPILED := agent build client_faults client_tls conformance_gunicorn conformance_h1spec conformance_http11probe \
	conformance_llhttp conformance_responses google_tokens polling scripted_upstream server_channel server_sockets \
	upstream_pool worker_sockets
# In front of the checkout, whose folder is not where Python looks first then.
COMPILED := AIGW_TEST_COMPILED=1 PYTHONSAFEPATH=1 PYTHONPATH="$$(echo .venv-compiled/lib/python3*/site-packages):."

test-compiled: $(DEV_STAMP) .venv-compiled/.installed  ## the tests of the wire and of the real daemon, on a compiled installation
	$(COMPILED) $(BIN)/python -m tests $(addprefix tests.wire.test_,$(WIRE_ON_COMPILED))
	AIGW_TEST_SCRIPTS=.venv-compiled/bin $(BIN)/python -m tests $(addprefix tests.dist.test_,$(ON_COMPILED))

# What talks to the real daemon and is not about one process. What is new between several is in test_workers, which
# `make test` runs; that has all of test_gateway with two workers, too.
ON_WORKERS := contract failover gateway matrix memory sdk tricky_requests

test-workers: $(DEV_STAMP)  ## the tests of the real daemon, each daemon with two workers
	AIGW_TEST_WORKERS=2 $(BIN)/python -m tests $(addprefix tests.dist.test_,$(ON_WORKERS))

check: $(DEV_STAMP)  ## lint, format, types, import levels
	$(BIN)/ruff check aigw tests bench twisted
	$(BIN)/ruff format --check aigw tests bench twisted
	$(BIN)/mypy
	$(BIN)/python -m twisted.trial --temp-directory=_trial_temp_check tests.unit.test_levels

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix aigw tests bench twisted
	$(BIN)/ruff format aigw tests bench twisted

SECONDS_EACH ?= 600

fuzz: $(DEV_STAMP)  ## each parser of untrusted bytes, ten minutes each; FUZZ="sse tap" runs these only
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	for target in $(or $(FUZZ),$(shell ls tests/fuzz/corpus)); do \
	  $(BIN)/python -m tests.fuzz $$target --seconds $(SECONDS_EACH) || exit 1; \
	done

schema: $(STAMP)  ## etc/gateway.schema.json from the settings' types
	$(BIN)/python -m aigw.config.schema > etc/gateway.schema.json

bench: $(DEV_STAMP) .venv-compiled/.installed  ## the gateway beside its peers; see bench/README.md
	AIGW_BENCH_SCRIPTS=.venv-compiled/bin $(BIN)/python -m bench

bench-quick: $(DEV_STAMP) .venv-compiled/.installed
	AIGW_BENCH_SCRIPTS=.venv-compiled/bin $(BIN)/python -m bench --quick

clean:
	rm -rf .venv .venv-compiled .clients build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis
