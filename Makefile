# Everything a developer or the CI runs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup torch demo test test-full test-debian-13 deb rpm bench lint clean

export PYTHONPATH := deploy
python := .venv/bin/python
typed := vispa_green simulation/vispa_green_sim jobs/vispa_green_jobs plugins/binning/vispa_green_binning deploy tests
# Two workers; the tests that need Slurm stay on one of them and share its cluster.
pytest := $(python) -m pytest -n 2 --dist loadgroup

help:  ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

setup:  ## install what is missing: Debian packages (as root or with sudo) and .venv
	@deploy/setup.sh system
	@deploy/setup.sh python

torch:  ## what the bundled jobs need, torch as a CPU build; their tests are skipped without it
	@deploy/setup.sh torch

demo: setup  ## the guided tour on a real Slurm, in a few minutes
	@$(python) -m demo

test: setup torch  ## every test but the long ones
	@$(pytest) -m "not full"

test-full: setup torch  ## every test, also on Debian 13 (as root)
	@deploy/setup.sh full
	@$(pytest)
	@tests/slurm/on-debian-13.sh -m slurm

test-debian-13: setup  ## the tests on a real Slurm, on that of Debian 13 (as root)
	@deploy/setup.sh full
	@tests/slurm/on-debian-13.sh -m slurm

deb: setup  ## a Debian package with all it needs, into dist/
	@deploy/deb/build.sh

rpm: setup  ## the same for Enterprise Linux and its like; needs rpmbuild (deploy/setup.sh full)
	@deploy/rpm/build.sh

bench: setup  ## the benchmarks, one at a time, with their numbers
	@$(python) -m pytest tests/benchmarks -s

lint: setup  ## ruff, mypy and the import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy $(typed)
	@.venv/bin/lint-imports

clean:  ## remove caches and build products; .venv stays
	@rm -rf build dist demo-output .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
