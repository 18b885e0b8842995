# Kopeck: `make` lists what there is. Python 3.11 or later and make are all that a machine needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A stamp says which lock file the environment was made from; a later lock file makes it again.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
SHIP_STAMP := $(VENV)/.installed-ship
OSCAR := .bench/oscar/.installed
ALONE := .bench/alone/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# Each process of the tests would compile every test anew: 7 seconds of processor a worker.
unexport PYTHONDONTWRITEBYTECODE

# What production looks like, for Django's deployment checks: made-up values, nothing is contacted.
PRODUCTION := DEBUG=0 SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	ALLOWED_HOSTS=shop.example SITE_URL=https://shop.example DATABASE_URL=postgresql://127.0.0.1:1/nowhere ENV_FILE=/dev/null \
	STRIPE_SECRET_KEY=sk_test_check STRIPE_PUBLISHABLE_KEY=pk_test_check STRIPE_WEBHOOK_SECRET=whsec_check

# Models have their migrations, and every template compiles. There is no database here to hold against.
define MIGRATIONS_AND_TEMPLATES
import django, pathlib, warnings
from django.conf import settings
from django.core.management import call_command
from django.template import engines
settings.DATABASES["default"]["OPTIONS"].pop("pool")  # it would wait for the database
django.setup()
warnings.filterwarnings("ignore", "Got an error checking a consistent migration history")
call_command("makemigrations", check_changes=True, dry_run=True)
found = sorted(pathlib.Path("kopeck").glob("**/templates/**/*.*"))
for path in found:
    engines["django"].get_template("/".join(path.parts[path.parts.index("templates") + 1:]))
print(f"{len(found)} templates compile")
endef
export MIGRATIONS_AND_TEMPLATES

# An environment whose Python has been removed since is made again.
ifneq ($(wildcard $(BIN)/activate),)
ifneq ($(shell $(BIN)/python -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(BIN)/activate $(RUN_STAMP) $(DEV_STAMP) $(SHIP_STAMP))
endif
endif

.DEFAULT_GOAL := help
.PHONY: help environment run test test-all containers messages map check check-ship chaos bench pictures seed mutants conformance audit lock

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s%s\n", $$1, $$2}'

environment: $(RUN_STAMP) ## what the shop needs, installed (make run does it too)

run: $(RUN_STAMP) ## the shop with everything it needs, on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m kopeck_local

# The folder of a room's tests: one worker a core is started, for starting more costs more than they bring.
TESTS = $(if $(filter sandbox,$(APP)),sandbox/tests,$(if $(APP),tests/$(APP)))
test: $(DEV_STAMP) ## the tests that a change is likely to break, in parallel (APP=refunds: one room's)
	@exec $(BIN)/python -m pytest -n $(if $(APP),logical,auto) \
		$(if $(filter browser% system%,$(APP)),,-m "not slow") $(TESTS) $(ARGS)

test-all: containers $(DEV_STAMP) ## what `make test` leaves out: containers, storms, crashes, whole servers, browsers, deep random tests
	@DEEP=1 exec $(BIN)/python -m pytest -n auto -m "slow or random or hypothesis" --durations 10 $(ARGS)

containers: ## the image built and the containers brought up for real, where this machine can
	@.ci/containers

check: $(DEV_STAMP) ## style, types, import rules, missing and dangerous migrations, deployment checks, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PRODUCTION) $(BIN)/mypy
	$(PRODUCTION) PYTHONPATH=sandbox $(BIN)/lint-imports
	cd sandbox && PYTHONPATH=. $(CURDIR)/$(BIN)/lint-imports
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/djade --check $$(find kopeck -path '*/templates/*' -name '*.html')
	$(PRODUCTION) DJANGO_SETTINGS_MODULE=kopeck.settings $(BIN)/python -c "$$MIGRATIONS_AND_TEMPLATES"
	$(BIN)/python -m pytest tests/house/test_migrations.py

messages: $(DEV_STAMP) ## each language's file brought up to what the shop says now (LANGUAGE=de begins another)
	@$(BIN)/python -m bench.messages $(LANGUAGE)

map: $(DEV_STAMP) ## the rooms of the shop and what each imports (WRITE=1 draws them into docs/architecture.md)
	@$(BIN)/python -m bench.rooms $(if $(WRITE),--write)

check-ship: $(SHIP_STAMP) ## the files of a deployment: compose, Dockerfile, Caddyfile, workflows, Kubernetes, scripts
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/check

chaos: $(DEV_STAMP) ## buyers against kills, faults and clock jumps, then Stripe's ledger against the shop (BUYS=1000 SEED=1 WITHOUT=)
	@exec $(BIN)/python -m bench.chaos --buys $(or $(BUYS),1000) --seed $(or $(SEED),1) $(if $(WITHOUT),--without $(WITHOUT))

bench: $(DEV_STAMP) $(if $(QUICK),,$(OSCAR) $(ALONE)) ## what pages, buys, lists and starts cost, beside their goals (QUICK=1: in two minutes, some left out)
	@QUICK=$(QUICK) exec $(BIN)/python -m bench

pictures: $(DEV_STAMP) ## every page, 390 and 1280 px, light and dark, English and Russian, into .pictures/ (README=1: the README's pictures; ONLY=order)
	@exec $(BIN)/python -m bench.pictures --only "$(ONLY)" $(if $(README),--readme)

# django-oscar, beside which our item page is measured, in an environment of its own.
$(OSCAR): bench/oscar/requirements.txt
$(ALONE): requirements-image.txt
$(OSCAR) $(ALONE):
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --no-input --quiet install --require-hashes --requirement $<
	@touch $@

seed: $(DEV_STAMP) ## a shop that is years old, in the empty database that DATABASE_URL names (ORDERS=1000000)
	@exec $(BIN)/python -m bench.seed $(or $(ORDERS),1000000)

mutants: $(DEV_STAMP) ## faults put into the code that counts money, and which no test notices (SEED=1 SAMPLE=200 JOBS= MODULE=kopeck/money.py FRESH=1)
	@exec $(BIN)/python -m bench.mutants --seed $(or $(SEED),1) --sample $(or $(SAMPLE),200) \
		$(if $(JOBS),--jobs $(JOBS)) $(foreach module,$(MODULE),--module $(module)) $(if $(FRESH),--fresh)

conformance: $(DEV_STAMP) ## the sandbox through strangers' libraries, from PyPI and npm, into sandbox/CONFORMANCE.md (QUICK=1: four of them, no table)
	@exec $(BIN)/python sandbox/conformance/run.py $(if $(QUICK),--quick)

# Only what the service itself said counts: one that could not be asked has proved nothing.
audit: $(DEV_STAMP) ## known weaknesses of what the shop is made of; fails where nobody can be asked
	@said=$$($(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.txt \
		--vulnerability-service osv $(if $(ADVISORIES),--osv-url $(ADVISORIES)) --progress-spinner off 2>&1); code=$$?; \
	case "$$said" in \
		*"nown vulnerabilit"*) printf '%s\n' "$$said"; exit $$code;; \
	esac; \
	printf '%s\n' "$$said" | tail -n 1 >&2; \
	echo "make audit: the advisories could not be asked for, so nothing is known of any package. Is there internet?" >&2; exit 1

lock: ## requirements*.txt anew from pyproject.toml
	@set -e; uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
		tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
		$(PYTHON) -m venv "$$tools"; "$$tools/bin/python" -m pip install --quiet uv; uv="$$tools/bin/uv"; \
	fi; \
	compile() { "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header pyproject.toml "$$@"; }; \
	compile --extra local -o requirements.txt; \
	compile -c requirements.txt -o requirements-image.txt; \
	compile --extra local --extra dev -c requirements.txt -o requirements-dev.txt; \
	compile --extra ship -c requirements-dev.txt -o requirements-ship.txt

$(BIN)/activate:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Kopeck needs Python 3.11 or later, and $(PYTHON) is %d.%d: name another one (make PYTHON=python3.12 ...)." % sys.version_info[:2])'
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) could not make it: on Debian and Ubuntu, apt-get install python3-venv." >&2; rm -rf $(VENV); exit 1; }

$(RUN_STAMP): requirements.txt | $(BIN)/activate
	@echo "Installing what the shop needs (once, about half a minute) ..."
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

$(DEV_STAMP): requirements.txt requirements-dev.txt | $(BIN)/activate
	@echo "Installing what the shop and its tests need (once, about a minute) ..."
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $(RUN_STAMP) $@

$(SHIP_STAMP): requirements-ship.txt | $(BIN)/activate
	@echo "Installing what checks the files of a deployment (once, about half a minute) ..."
	@$(PIP) install --require-hashes --requirement requirements-ship.txt
	@touch $@
