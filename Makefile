# make demo     everything on the miniature corpus, with nothing but Python 3.11+ and make
# make install  the environment alone
# make test     the test suite
# make check    linters, formatters, and whether generated files have drifted
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread for each of pytest's processes: with two each, tests take thrice the time.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q --durations=20
TWO_AT_ONCE := -n 2 --dist loadscope --no-loadscope-reorder
DURATIONS = --keep-durations=build/durations/$@.txt

.PHONY: demo install test test-slow test-all test-slurm test-browser check docs readme lock format

demo: $(READY)
	$(BIN)/snakemake all --resources gpu=1

install: $(READY)

test: $(READY)
	$(PYTEST) $(TWO_AT_ONCE) $(DURATIONS) -m "not slow and not slurm and not browser"

# What takes minutes: a run killed in every stage, the documents' commands in a clone.
test-slow: $(READY)
	$(PYTEST) $(TWO_AT_ONCE) $(DURATIONS) -m slow

# Both of them in one call, which makes the better use of two processors.
test-all: $(READY)
	$(PYTEST) $(TWO_AT_ONCE) $(DURATIONS) -m "not slurm and not browser"

# On a SLURM cluster that it starts here, from Debian's packages: needs root and apt-get,
# and says so where it skips.
test-slurm: $(READY)
	$(PYTEST) $(DURATIONS) -m slurm -rs tests/slurm

# The demo's report in Chromium: needs `chromium`, and DEEPFAKE_ATLAS_DEMO, a clone in
# which `make demo` has run (this one: `make test-browser DEEPFAKE_ATLAS_DEMO=.`).
export DEEPFAKE_ATLAS_DEMO
test-browser: $(READY)
	$(PYTEST) $(DURATIONS) -m browser -rs tests/report

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python workflow/lint.py
	$(BIN)/python -m pipeline.config.document --check

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# config/config.yaml, its JSON schema and the table in config/README.md, from
# pipeline/config/.
docs: $(READY)
	$(BIN)/python -m pipeline.config.document

# The results of the demo in README.md, and its picture: after `make demo`.
readme: $(READY)
	$(BIN)/python -m benchmarks.readme

# Needs uv. Resolves for every platform and Python; writes no addresses.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock

$(READY): requirements.lock requirements-no-deps.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "deepfake-atlas needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-no-deps.lock
	touch $@
