# Quotefold. `make` alone lists the targets.
#
# Everything lives in .venv, installed from the lock files in requirements/ with hashes checked.
# Stamp files in .venv remember what is installed, so a second `make run` costs milliseconds; a
# changed lock file or pyproject.toml is installed again at the next command.

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help run test analysis thirdparty queue-vectors fill-vectors nautilus sweep-extra clusters
.PHONY: lint bench compiled cov soak venue-soak kills mutants
.PHONY: charts lock clean

# Arguments for `quotefold run`, `pytest` or the benchmarks, as in: make run ARGS="--for 30s"
ARGS ?=

# Any Python from 3.11 on. /usr/bin comes first because distributions build theirs profile-guided,
# and such a build runs this project about 1.25 times as fast as one compiled without.
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),/usr/bin/python3.11 python3.11 python3)

BIN := .venv/bin
BUILD := .venv/build
QUIET := --quiet --quiet --disable-pip-version-check --no-input
PIP := $(BIN)/python -m pip $(QUIET)
# Wheels only: a source distribution would fetch its own build tools, which no lock file covers.
LOCKED := --require-hashes --only-binary :all:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
	    printf '  make %-13s %s\n' "$$name" "$$text"; done

run: .venv/project.done  ## quote both markets of a paper venue until Ctrl-C (ARGS="--for 30s")
	@exec $(BIN)/quotefold run $(ARGS)

# One process more than there are cores: tests that wait for real processes leave theirs idle.
test: .venv/dev.done  ## run every test (ARGS="-k journal")
	@exec $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal $(ARGS)

# Parquet and SQL, which the engine itself never needs.
analysis: .venv/analysis.done  ## add duckdb, for `quotefold journal export`

# Clients that others wrote, in an environment of their own: their needs are none of ours.
thirdparty: .venv/dev.done .venv/thirdparty.done  ## run ccxt and the official SDK on a venue
	@exec $(BIN)/python -m pytest -n 0 tests/thirdparty $(ARGS)

queue-vectors: .venv/hftbacktest.done  ## write anew what tests compare the queue models with
	@exec .venv/hftbacktest/bin/python -m tests.replay.queue_vectors

# Other backtesters in environments of their own; CI installs neither.
fill-vectors: .venv/dev.done .venv/hftbacktest.done .venv/nautilus.done  ## the same, of fills
	@exec $(BIN)/python -m tests.backtest.fill_vectors

nautilus: .venv/nautilus.done  ## add nautilus_trader beside, which `make bench` compares with

charts: .venv/dev.done  ## draw the charts of docs/strategies anew, from the strategies
	@exec $(BIN)/python -m tests.strategies.charts

# In .venv, beside all else, with the versions of development where both have one.
sweep-extra: .venv/sweep.done  ## add joblib, Dask and fsspec: clusters, and data at URLs

clusters: .venv/dev.done .venv/sweep.done  ## run the tests that need them, on a real cluster
	@exec $(BIN)/python -m pytest -n 0 $(addprefix tests/backtest/test_,cluster.py urls.py workers.py) \
	    $(ARGS)

lint: .venv/dev.done  ## check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/dev.done  ## measure speed (ARGS are the benchmarks')
	@exec $(BIN)/python -m benchmarks $(ARGS)

# An environment of its own with the same versions: `.venv/compiled/bin/quotefold`.
compiled: .venv/compiled.done  ## add the program with its core compiled by mypyc, for speed

# Coverage's tracing slows real time, so the one test that measures it is left out.
cov: .venv/dev.done  ## branch coverage of engine and strategies, at least 95 %
	@exec $(BIN)/python -m pytest -n auto --dist worksteal --cov \
	    --cov-report term-missing:skip-covered --cov-fail-under 95 \
	    --deselect tests/test_simulated.py::test_virtual_time_outruns_real_time $(ARGS)

soak: .venv/dev.done  ## a simulated day of quoting, proved (ARGS="--hours 2")
	@exec $(BIN)/python -m tests.soak $(ARGS)

venue-soak: .venv/dev.done  ## a million random commands through the venue's exchange core
	@exec $(BIN)/python -m tests.paper.soak $(ARGS)

kills: .venv/dev.done  ## 200 times kill -9, restart, and compare with the venue
	@exec $(BIN)/python -m tests.integration.kills $(ARGS)

# Each run is anew, and the same: hypothesis draws the same examples where CI is set. The names of
# the mutants that are left are mutmut's: `mutmut show NAME` prints one.
mutants: .venv/dev.done .venv/mutants.done  ## mutation score (ARGS="engine/risk.py")
	@rm -rf mutants
	@CI=1 PYTHONPATH=.venv/mutants $(BIN)/python -P tests/mutants.py $(ARGS)

# pip-tools is a maintainer's tool, so it gets an environment of its own instead of a lock line.
# The development lock is constrained by the core lock: tests run what users run.
COMPILE := .venv/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
lock: .venv/core.done  ## write the lock files anew from pyproject.toml
	@$(BIN)/python -m venv .venv/lock
	@.venv/lock/bin/python -m pip --quiet --quiet install pip-tools
	@$(COMPILE) $(ARGS) --output-file requirements/core.lock pyproject.toml
	@$(COMPILE) $(ARGS) --extra dev --constraint requirements/core.lock \
	    --output-file requirements/dev.lock pyproject.toml
	@$(COMPILE) $(ARGS) --extra sweep --constraint requirements/dev.lock \
	    --output-file requirements/sweep.lock pyproject.toml
	@$(COMPILE) $(ARGS) --all-build-deps --only-build-deps \
	    --output-file requirements/build.lock pyproject.toml
	@$(COMPILE) $(ARGS) --output-file requirements/analysis.lock requirements/analysis.in
	@$(COMPILE) $(ARGS) --output-file requirements/thirdparty.lock requirements/thirdparty.in
	@$(COMPILE) $(ARGS) --output-file requirements/hftbacktest.lock requirements/hftbacktest.in
	@$(COMPILE) $(ARGS) --output-file requirements/nautilus.lock requirements/nautilus.in
	@$(COMPILE) $(ARGS) --constraint requirements/dev.lock \
	    --output-file requirements/mutants.lock requirements/mutants.in

clean:  ## remove .venv and every cache; journals stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov mutants
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the program needs to run. The shell prints the reason when no interpreter fits.
.venv/core.done: requirements/core.lock
	@for python in $(PYTHONS); do \
	    "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "quotefold needs Python 3.11 or newer with venv and ensurepip; tried: $(PYTHONS)." \
	        "Install one, or name yours: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "setting up .venv with $$found (once, about 20 s)" >&2; \
	"$$found" -m venv .venv
	@$(PIP) install $(LOCKED) -r requirements/core.lock
	@touch $@

# The project itself, editable. Its build backend lies beside the environment, not in it, so the
# core install holds nothing but what runs.
.venv/project.done: .venv/core.done requirements/build.lock pyproject.toml
	@rm -rf $(BUILD)
	@$(PIP) install $(LOCKED) --no-compile --target $(BUILD) -r requirements/build.lock
	@PYTHONPATH=$(BUILD) $(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/analysis.done: .venv/project.done requirements/analysis.lock
	@$(PIP) install $(LOCKED) --no-compile -r requirements/analysis.lock
	@touch $@

.venv/dev.done: .venv/project.done .venv/analysis.done requirements/dev.lock
	@echo "installing the development tools (once, about 20 s)" >&2
	@$(PIP) install $(LOCKED) --no-compile -r requirements/dev.lock
	@touch $@

.venv/sweep.done: .venv/project.done requirements/sweep.lock
	@$(PIP) install $(LOCKED) --no-compile -r requirements/sweep.lock
	@touch $@

.venv/thirdparty.done: .venv/core.done requirements/thirdparty.lock
	@echo "installing third-party clients (once, about 30 s)" >&2
	@$(BIN)/python -m venv --clear .venv/thirdparty
	@.venv/thirdparty/bin/python -m pip $(QUIET) install $(LOCKED) --no-compile \
	    -r requirements/thirdparty.lock
	@touch $@

.venv/hftbacktest.done: .venv/core.done requirements/hftbacktest.lock
	@echo "installing hftbacktest (once, about a minute)" >&2
	@$(BIN)/python -m venv --clear .venv/hftbacktest
	@.venv/hftbacktest/bin/python -m pip $(QUIET) install $(LOCKED) --no-compile \
	    -r requirements/hftbacktest.lock
	@touch $@

.venv/nautilus.done: .venv/core.done requirements/nautilus.lock
	@echo "installing nautilus_trader (once, about half a minute)" >&2
	@$(BIN)/python -m venv --clear .venv/nautilus
	@.venv/nautilus/bin/python -m pip $(QUIET) install $(LOCKED) --no-compile \
	    -r requirements/nautilus.lock
	@touch $@

# Installed as a copy, so nothing that is edited later goes unnoticed: make builds it anew.
PROGRAM := $(shell find engine strategies replay adapters -name '*.py' -o -name '*.toml')
.venv/compiled.done: .venv/dev.done packaging/compiled.py $(PROGRAM)
	@echo "compiling the core (two minutes, whenever the program has changed)" >&2
	@$(BIN)/python -m venv --clear .venv/compiled
	@.venv/compiled/bin/python -m pip $(QUIET) install $(LOCKED) -r requirements/core.lock
	@PYTHONPATH=$(BUILD) .venv/compiled/bin/python -m pip $(QUIET) install \
	    --no-build-isolation --no-deps .
	@$(BIN)/python packaging/compiled.py $$(.venv/compiled/bin/python -c \
	    'import sysconfig; print(sysconfig.get_path("platlib"))') >&2
	@touch $@

# mutmut lies beside the development tools, not in them, and shares their versions of what both use.
.venv/mutants.done: .venv/dev.done requirements/mutants.lock
	@echo "installing the mutation tester (once, about 5 s)" >&2
	@rm -rf .venv/mutants
	@$(PIP) install $(LOCKED) --no-compile --target .venv/mutants -r requirements/mutants.lock
	@touch $@
