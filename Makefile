PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
# One thread a process: tests and runs go side by side on all cores instead.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test test-slow test-browser test-wheel test-faults test-slurm test-mutations test-paper test-gpu bench-gpu paper-table results results-draw docs check cover format golden lock bench bench-memory bench-checkpoint bench-analysis profile coverage learn clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

setup: $(STAMP) ## .venv with the pinned versions of everything

$(STAMP): requirements.lock setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("redo_lab needs Python 3.11 or newer: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,slurm,dashboards,tensorboard,optuna]'
	touch $(STAMP)

demo: $(STAMP) ## DQN with and without ReDo on an Atari game, 5 seeds, minutes; ends with a table, figures and a report in demo/
	$(BIN)/redo-lab sweep demo_grid root=demo experiment=runs
	$(BIN)/redo-lab aggregate demo/runs --output demo
	$(BIN)/redo-lab report demo/runs --output demo/report.html
	@echo 'dormant neurons with and without ReDo: demo/dormancy.png; returns: demo/curves.png; all of it: demo/report.html'

test: $(STAMP) ## every test but the slow ones
	$(BIN)/pytest -n auto -m "not slow and not browser and not wheel"

test-slow: $(STAMP) ## every recycling method on DQN, DrQ(ε) and SAC, real runs at scale=smoke
	$(BIN)/pytest -n auto -m slow

test-browser: $(STAMP) ## the report in headless Chromium, which it installs where it can (root, Debian)
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null || true
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then $(BIN)/pytest -m browser; \
	else echo "test-browser: skipped: there is no Chromium here, and it can be installed only as root on Debian"; fi

test-wheel: $(STAMP) ## a wheel built from here, installed in a fresh environment, works alone
	$(BIN)/pytest -m wheel

test-faults: $(STAMP) ## kill runs at random moments, damage their files, fill the disk …; half an hour
	$(BIN)/python -m tests.faults

test-slurm: $(STAMP) ## sweeps of real runs on a real Slurm that it brings up here (root, Debian), disturbed; a quarter of an hour
	$(BIN)/python -m tests.slurm

test-gpu: $(STAMP) ## what depends on the device, on CUDA: updates, graphs, surgery, probes, runs; one line where there is none
	@$(BIN)/python -m tests.devices

test-mutations: $(STAMP) ## plant some 140 mistakes, one at a time: the tests must see each; SECONDS=600 tries as many as go in
	$(BIN)/python -m tests.mutations $(if $(SECONDS),--seconds $(SECONDS))

test-paper: $(STAMP) ## every figure and table of the paper launched and drawn at scale=smoke, network-free; ten minutes
	$(BIN)/python -m tests.paper

paper-table: $(STAMP) ## write docs/paper.md anew from sweeps/, figures/ and docs/results/
	$(BIN)/python -m scripts.paper_table

ROOT ?= results
PROCESSES ?= 1

results: $(STAMP) ## go on with docs/results/plan.yaml below ROOT=results, PROCESSES=1 at once, then draw; BACKGROUND=1 returns at once
	$(BIN)/python -m scripts.results --root $(ROOT) --processes $(PROCESSES) $(if $(BACKGROUND),--background)

results-draw: $(STAMP) ## the figures, CSVs and about.json of docs/results/ from the runs below ROOT=results
	$(BIN)/python -m scripts.results --draw --root $(ROOT)

docs: $(STAMP) ## the documentation site in site/, its links checked; open site/index.html
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

golden: $(STAMP) ## record the golden loss sequences again, after a change meant to alter them
	$(BIN)/python -m tests.golden.renew

check: $(STAMP) ## what CI runs: format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) cover

cover: $(STAMP) ## the tests with coverage, at least 90 %
	$(BIN)/coverage erase
	$(BIN)/pytest -n auto -m "not slow and not browser and not wheel" --cov --cov-report=term

format: $(STAMP) ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## renew requirements.lock from the newest versions that setup.cfg admits
	rm -rf .lock-venv
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet torch==2.13.0 '.[dev,slurm,dashboards,tensorboard,optuna,docs,bench]'
	{ echo '# Exact versions of everything, tests, documentation and benchmarks included (Python 3.11, Linux, CPU). Renew: make lock'; \
	  .lock-venv/bin/pip freeze --all | grep -v '^redo\|^pip=' | sed 's/+cpu//'; } > requirements.lock
	rm -rf .lock-venv

bench: $(STAMP) ## training speed against Stable-Baselines3, share of the matmul peak, cost of features; on a quiet machine
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[bench]'
	$(BIN)/python -m scripts.bench_loop

profile: $(STAMP) ## where a training step's time goes, for each agent and replay ratio of the benchmark
	$(BIN)/python -m scripts.profile_step

bench-memory: $(STAMP) ## the memory of a whole run of 100,000 agent steps while it trains; five minutes
	$(BIN)/python -m scripts.bench_memory

bench-gpu: $(STAMP) ## speed on a GPU, eager, compiled and as graph, 1 to 8 runs on it, with and without MPS; one line where there is none
	@$(BIN)/python -m scripts.bench_gpu

bench-checkpoint: $(STAMP) ## what checkpoints cost, save and restore with a replay of 1M Atari frames; 8 GB of memory, minutes
	$(BIN)/python scripts/bench_checkpoint.py

bench-analysis: $(STAMP) ## tables, bootstrap intervals against rliable's, figures and the report of 680 and 5100 made-up runs
	$(BIN)/python scripts/bench_analysis.py

coverage: $(STAMP) ## how often 95 % intervals hold the truth, by simulation, for every scheme; an hour of two cores
	nice -n 15 $(BIN)/python scripts/coverage.py

learn: $(STAMP) ## does it learn? against Stable-Baselines3 at the same settings; hours; goes on where it was
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[bench]'
	$(BIN)/python scripts/learn.py

clean: ## remove the environment and everything that make made
	rm -rf .venv demo site
