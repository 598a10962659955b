# CLAW.AI in two commands: `make up` runs it, `make test` proves it.

VENV := .venv
RUN := $(VENV)/bin/python
UV_VERSION := 0.13.9
APPS := accounts clawai configs conversations knowledge
ARGS ?=

.PHONY: help up test bench check messages lock clean
.DEFAULT_GOAL := help

help:
	@echo "make up        install and start everything on this machine (ARGS='--port 8001')"
	@echo "make test      the whole test suite, against a real PostgreSQL and Redis (ARGS='-k name')"
	@echo "make bench     benchmarks, as ratios to a baseline of the same run"
	@echo "make check     lint, types, import rules, migrations, deployment checks"
	@echo "make messages  collect the strings for translation and compile the catalogues"
	@echo "make lock      resolve requirements*.txt into requirements*.lock"
	@echo "make clean     remove the environment, caches and test data; .clawai stays"

up: $(VENV)/.compiled
	@exec $(RUN) manage.py up $(ARGS)

test: $(VENV)/.development
	@exec $(RUN) -m pytest $(ARGS)

bench: $(VENV)/.development
	@exec $(RUN) -m benchmarks $(ARGS)

# Production settings with secrets that live as long as the command.
SECRETS = CLAWAI_SECRET_KEY="$$($(RUN) -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	CLAWAI_FIELD_KEYS="$$($(RUN) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
	CLAWAI_DATA_DIR=.clawai-check CLAWAI_PUBLIC_URL=https://claw.example CLAWAI_DEBUG=0

check: $(VENV)/.development
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(SECRETS) $(RUN) -m mypy .
	$(VENV)/bin/lint-imports
	$(SECRETS) $(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(SECRETS) $(RUN) manage.py check --deploy --fail-level WARNING

# Strings that are gone from the code leave the catalogues; GNU gettext does the work.
ELSEWHERE = -i tests -i benchmarks -i .venv -i node_modules -i '.clawai*'

messages: $(VENV)/.development
	$(SECRETS) $(RUN) manage.py makemessages -l zh_Hans --no-location --no-obsolete $(ELSEWHERE)
	$(SECRETS) $(RUN) manage.py makemessages -l zh_Hans --no-location --no-obsolete $(ELSEWHERE) \
		-d djangojs -i static/vendor
	$(SECRETS) $(RUN) manage.py compilemessages -l zh_Hans $(ELSEWHERE)

lock: $(VENV)/.development
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header requirements.txt -o requirements.lock
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header requirements-dev.txt -o requirements-dev.lock

clean:
	@for data in .clawai .clawai-test*; do \
		if [ -x $(RUN) ] && [ -f $$data/stack.json ]; then $(RUN) -m clawai.embedded stop $$data; fi; done
	rm -rf $(VENV) .clawai-test* .clawai-check .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment: made once, brought up to date when a lock changes ------------------------

$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	@$(call install,requirements.lock)
	@touch $@

# The development lock holds the other one as well.
$(VENV)/.development: requirements-dev.lock | $(VENV)/bin/python
	@$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.runtime

# Compiled ahead: a machine that writes no bytecode would compile everything at every start.
$(VENV)/.compiled: $(VENV)/.runtime $(shell find $(APPS) -name '*.py')
	@$(RUN) -m compileall -q $(APPS)
	@touch $@

# uv installs in seconds; where it cannot be had, pip does the same from the same lock.
define install
echo "Installing $(1) …"; \
if $(RUN) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null \
	&& $(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(RUN) --require-hashes -r $(1); then :; else \
	echo "uv could not install it; pip does, which takes some minutes."; \
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1); fi
endef

$(VENV)/bin/python:
	@found=; for python in $(PYTHON3) python3 python3.11 python3.12 python3.13; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "CLAW.AI needs Python 3.11 or newer, and this machine has: $$(python3 --version 2>&1 || true)" >&2; exit 1; fi; \
	if ! $$found -m venv $(VENV) >/dev/null 2>&1; then rm -rf $(VENV); \
		echo "$$found cannot make a virtual environment: install its venv module (on Debian: apt-get install python3-venv)." >&2; exit 1; fi
