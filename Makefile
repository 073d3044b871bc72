# Each target creates or reuses .venv, installs what it needs from constraints.txt, and does its job.
#   make lab LESSON=07.02        make run LESSONS="02.02 07.02"        make test PYTHON=python3.12
#   make test CONSTRAINTS=/dev/null      takes the newest versions that pyproject.toml admits
# pip is used as it is set up on this machine (index, mirror, cache, certificates): nothing here overrides it.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
LESSON ?=
LESSONS ?=
RECIPES ?=
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
COURSE := $(VENV)/.installed-course
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help lab run test docs bench weights campaign clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

lab: $(COURSE)  ## open a lesson in JupyterLab (LESSON=07.02; the first one if not given)
	$(BIN)/course-nlp lab $(LESSON)

run: $(COURSE)  ## run lessons and print time, memory and result (LESSONS="02.02 07.02"; all if not given)
	$(BIN)/course-nlp run $(LESSONS)

test: $(DEV)  ## run the tests and every lesson, warnings being errors
	$(BIN)/course-nlp prepare
	$(ONE_THREAD) $(BIN)/python -m pytest tests --ignore=tests/benchmarks -m "not campaign" -n 2 --dist loadfile
	$(BIN)/course-nlp run --strict

docs: $(DEV)  ## build the site into _docs/ and README.md
	$(BIN)/python tools/write_readme.py
	$(BIN)/python tools/build_docs.py

bench: $(DEV)  ## run the benchmarks
	$(BIN)/course-nlp prepare
	$(ONE_THREAD) $(BIN)/python -m pytest tests/benchmarks

weights: $(DEV)  ## run all recipes and keep what they reach in the package (RECIPES="ner mlm"; up to 45 minutes each)
	$(BIN)/course-nlp prepare
	for name in $(or $(RECIPES),$$($(BIN)/python -m course_nlp.recipes --names)); do \
	  $(BIN)/python -m course_nlp.recipes $$name --scale small --ship || exit 1; done

campaign: $(DEV)  ## run the long tests
	$(BIN)/course-nlp prepare
	$(ONE_THREAD) $(BIN)/python -m pytest tests -m campaign

clean:  ## remove what was built here; .venv and the cache of stand-ins stay
	rm -rf build dist _proc _docs nbs/nbdev.yml .pytest_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	find . -name $(VENV) -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

# The stamps make a second call start at once. `dev` holds all that `course` does.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The course needs Python 3.11 or newer. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(COURSE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the lessons need into $(VENV): once, a few minutes, about 2 GB with torch"
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e '.[course]'
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the lessons, the tests and the site need into $(VENV): once, a few minutes"
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e '.[course,dev]'
	@touch $(COURSE) $@
