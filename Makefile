# Everything happens in a virtual environment of this directory; PYTHON names the interpreter that it is made from.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

CODE := conductor_trio scripts tests
# 114: names of our own functions would have to be listed. 124: a stub of an interface has nothing to wait for.
# 231: os.fdopen() takes over a descriptor and waits for nothing.
# 9: guaranteed checkpoints are for libraries; a receive that is already satisfied may go on at once.
# It takes two minutes for all files; who names none of these is no concern of its.
ASYNC_WORDS := -e async -e await -e trio -e anyio -e asyncio
ASYNC_OFF := ASYNC114,ASYNC124,ASYNC231,ASYNC9
PYTEST := $(BIN)/python -m pytest -q
# As many files side by side as there are processors (JOBS=), and then, one by one, what needs them all.
JOBS ?= auto
SLOWEST := --durations=10 --durations-min=1
TOGETHER := -n $(JOBS) --dist loadfile -m 'not alone'
SPHINX := $(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning -c docs -b html . .site
LAYERS := { $(BIN)/lint-imports --no-cache >$(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }; }

SHELL := /bin/sh
.SHELLFLAGS := -euc
.DELETE_ON_ERROR:
# The steps share an environment and a package database; each is quick, and some measure time.
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.runtime ## a server, an application behind it, one link to click (SSH=1: over a private SSH server)
	@exec $(BIN)/python -m scripts.demo $(if $(SSH),--ssh)

.PHONY: quick
quick: venv ## for the work at hand, under a minute: format, lint, types, layers, and the tests that need no program
	@echo 'quick: format' && $(BIN)/ruff format --quiet --check $(CODE)
	@echo 'quick: lint' && $(BIN)/ruff check --quiet $(CODE)
	@echo 'quick: types' && $(BIN)/mypy --no-error-summary
	@echo 'quick: layers' && $(LAYERS)
	@echo 'quick: tests' && HYPOTHESIS_PROFILE=quick $(PYTEST) -m 'not e2e and not slow'

.PHONY: test
test: system venv ## all tests, those of the engine on PyPy as well; says first what it installs
	@echo 'test: all of them, about ten minutes (make quick: under one, and nothing is installed)'
	@echo 'test: 1 of 3, side by side' && $(PYTEST) $(SLOWEST) $(TOGETHER)
	@echo 'test: 2 of 3, those that need the machine for themselves' && $(PYTEST) $(SLOWEST) -m alone
	@echo 'test: 3 of 3, the engine on PyPy' && $(TRY_PYPY)

.PHONY: check
check: system venv ## format, lint, types, layers, and all tests with their coverage, those of the engine on PyPy as well
	@echo 'check: format' && $(BIN)/ruff format --quiet --check $(CODE)
	@echo 'check: lint' && $(BIN)/ruff check --quiet $(CODE)
	@echo 'check: async' && grep -rlZw --include='*.py' $(ASYNC_WORDS) $(CODE) | xargs -0 -n 40 -P 2 $(BIN)/flake8-async --disable $(ASYNC_OFF)
	@echo 'check: types' && $(BIN)/mypy --no-error-summary
	@echo 'check: layers' && $(LAYERS)
	@echo 'check: documents' && $(SPHINX)
	@echo 'check: tests' && $(PYTEST) $(TOGETHER) --cov --cov-report= --cov-fail-under=0
	@echo 'check: tests alone' && $(PYTEST) -m alone --cov --cov-append --cov-report=term:skip-covered
	@echo 'check: tests through workers' && $(THROUGH) $(THROUGH_PART)
	@echo 'check: tests on PyPy' && $(TRY_PYPY)

# Visitors come to workers, of which servers have two: the engine's tests, its tables, and what is done end to end. Of
# these a fixed part is a part of all checks.
THROUGH := THROUGH_WORKERS=2 $(PYTEST) -n $(JOBS) --dist loadfile -m 'not alone'
E2E := $(addprefix tests/e2e/test_,chain.py farewell.py fronts.py front_proxy.py half_closed.py house.py lifecycle.py \
    named_people.py named_restart.py neighbours.py openid_connect.py operator.py own_pages.py share.py short.py \
    starting_page.py tcp.py tls.py)
THROUGH_ALL := $(addprefix tests/server/,proxy ownpages observability) tests/fuzz $(E2E)
THROUGH_PART := $(addprefix tests/server/proxy/test_,access.py named_shares.py parking.py single_sign_on.py) \
    tests/e2e/test_chain.py

.PHONY: workers
workers: system venv ## the engine's tests and those end to end with two workers, which `make check` does with a part of them
	@HYPOTHESIS_PROFILE=quick $(THROUGH) $(SLOWEST) $(THROUGH_ALL)

.PHONY: docs
docs: venv ## the documentation as a site, in .site; a warning or a link that leads nowhere is an error
	@$(SPHINX) && echo "docs: file://$$PWD/.site/docs/index.html"

.PHONY: pictures
pictures: venv ## take the README's pictures anew, of JupyterLab behind a gateway; as an ordinary user
	@$(BIN)/python -m scripts.pictures

.PHONY: format
format: venv ## write the code as `make check` wants it
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

# PyPy: what the server is made of, with the conformance tables and a fixed budget of fuzzing; and that it starts, says
# what runs it, and has a successor take over.
PYPY_PYTEST := .pypy/bin/python -m pytest -q -p no:cacheprovider
PYPY_TESTS := tests/net tests/http1 tests/access tests/control tests/test_interpreter.py \
    $(addprefix tests/server/,proxy routing accounts sessions ownpages) tests/fuzz/test_engine.py
PYPY_STARTS := tests/server/cli/test_main.py::test_version_and_help \
    tests/server/lifecycle/test_restart.py::test_a_successor_serves_at_the_same_address_and_the_former_server_ends
# Left out here: what mostly waits, the largest messages, and what counts on a clock that jumps while all are blocked,
# which here they are at other moments.
PYPY_CHOICE := -m 'not e2e' -k 'not stalls_nothing and not 16_mib and not guessing_has_a_rate'
RUN_PYPY = HYPOTHESIS_PROFILE=quick $(PYPY_PYTEST) $(PYPY_CHOICE) $(PYPY_TESTS) && $(PYPY_PYTEST) $(PYPY_STARTS)

.PHONY: pypy
pypy: .pypy/.dev ## the tests of the server's engine on PyPy, which is unpacked here if need be
	@$(RUN_PYPY)

# As a part of all tests: where PyPy cannot be had it is left out, but for continuous integration.
TRY_PYPY = if $(MAKE) --no-print-directory .pypy/.dev; then $(RUN_PYPY); \
    elif [ -n "$${CI:-}" ]; then exit 1; else echo 'pypy: the engine was not tried on it' >&2; fi

FUZZ_MINUTES ?= 10

.PHONY: fuzz
fuzz: system $(if $(PYPY),.pypy/.dev,venv) ## look for counterexamples much longer than the tests do (FUZZ_MINUTES=10, PYPY=1), in whole rounds
	@end=$$(($$(date +%s) + $(FUZZ_MINUTES) * 60)); while [ $$(date +%s) -lt $$end ]; do \
	    HYPOTHESIS_PROFILE=fuzz $(if $(PYPY),$(PYPY_PYTEST) $(PYPY_TESTS),$(PYTEST)) -m hypothesis; done

.PHONY: bench
bench: system venv ## measure the gateway beside its peers (BENCH='--help': which parts, rounds, seconds)
	@sh scripts/system.sh $(PYTHON) bench
	@$(MAKE) --no-print-directory .pypy/.dev || echo 'pypy: the server on it is left out' >&2
	@$(BIN)/python -m scripts.bench $(BENCH)

.PHONY: soak
soak: venv ## a million requests, 100 GiB, 5,000 sessions, attackers beside, and nothing left (SOAK_REQUESTS=, SOAK_SESSIONS=)
	@$(BIN)/python -m scripts.soak $(SOAK)

.PHONY: apps
apps: venv ## try real applications in a real browser (APPS='dash --ssh': which, and over SSH)
	@sh scripts/system.sh $(PYTHON) apps
	@$(BIN)/python -m scripts.apps $(APPS)

CHAOS_MINUTES ?= 10

.PHONY: chaos
chaos: system venv ## kill, stop and cut every hop of a real chain under load, and attack it (CHAOS_MINUTES=10, CHAOS='--seed 7')
	@$(BIN)/python -m tests.chaos --minutes $(CHAOS_MINUTES) $(CHAOS)

.PHONY: pyz
pyz: $(VENV)/.runtime ## dist/conductor-trio.pyz and dist/conductor-trio-server.pyz: one file each, which needs only Python
	@$(BIN)/python -m scripts.pyz dist

.PHONY: deb
deb: pyz ## dist/*.deb, by Debian's tools (debhelper) and without a network
	@sh packaging/deb/build.sh dist

.PHONY: deb-test
deb-test: pyz ## the Debian packages installed, used, upgraded and purged under a systemd of their own, as root (RELEASE=)
	@sh packaging/deb/test.sh dist

.PHONY: rpm
rpm: pyz ## dist/*.rpm, by rpmbuild
	@sh packaging/rpm/build.sh dist

.PHONY: image
image: pyz ## dist/*-image.tar: the server on PyPy as an image for containers, by mmdebstrap and buildah, as root
	@sh packaging/image/build.sh dist

.PHONY: image-test
image-test: image ## that image run by podman, read-only and unprivileged, with a session, as root
	@sh packaging/image/test.sh dist

.PHONY: dist
dist: venv ## dist/*.whl and dist/*.tar.gz, tried in environments of their own
	@sh packaging/wheel/build.sh $(BIN)/python dist

.PHONY: venv
venv: $(VENV)/.dev ## the virtual environment, for development

.PHONY: system
system: ## system packages for the end-to-end tests, where we are root on Debian; says first what it installs
	@sh scripts/system.sh $(PYTHON)

.PHONY: clean-system
clean-system: ## take back what `make system` and tests made on this machine: packages, users, copies, and .npm and .bench
	@rm -rf .npm .bench
	@sh scripts/clean_system.sh

.PHONY: clean
clean: ## remove what was made here
	@rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .apps .bench .npm .oidc .pypy .pypy.base .site bench-results \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# Later versions of Hypothesis have a native module that Debian's PyPy cannot load.
.pypy/.dev: pyproject.toml scripts/pypy.sh $(VENV)/.made
	@sh scripts/pypy.sh $(BIN)/python .pypy \
	    --editable . 'hypothesis>=6.100,<6.141' 'pytest>=8' 'pytest-trio>=0.8' 'websockets>=17'
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'make: Python 3.11 or later is needed; name it with PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo 'make: this Python makes no virtual environments; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making the virtual environment $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

$(VENV)/.runtime: pyproject.toml $(VENV)/.made
	@echo 'Installing conductor-trio there'
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo 'Installing the tools for development there'
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
