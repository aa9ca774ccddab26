# A thin skin over uv. Every target sets up what it needs; on Windows type the `uv run ...` lines themselves.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
ARGS ?=

.PHONY: train compare test lint wheel-test benchmark bench-sweep picture clean

train: $(UV)  ## set up everything and train a network on handwritten digits through simulated light
	$(UV) run opu train $(ARGS)

compare: $(UV)  ## backprop, digital DFA, optical DFA and the last layer alone, on the same seeds
	$(UV) run opu compare $(ARGS)

test: $(UV)  ## set up everything and run the tests
	$(UV) run pytest $(ARGS)

lint: $(UV)  ## style, types, layers
	$(UV) run ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run lint-imports

wheel-test: $(UV)  ## build the wheel, install it elsewhere, use it from outside the tree
	tests/wheel/smoke.sh $(abspath $(UV))

benchmark: $(UV)  ## the engine against stored matrices and its rivals; a few minutes
	$(UV) run python benchmarks/engine.py $(ARGS)

bench-sweep: $(UV)  ## sizes 2^12 to 2^20, every rival and the floor: table, JSON and plot; ten minutes
	$(UV) run python benchmarks/sweep.py --json benchmarks/results/sweep.json --plot benchmarks/results/sweep.png $(ARGS)

picture: $(UV)  ## make README's picture again
	$(UV) run opu compare --out build/picture
	cp "$$(ls -td build/picture/*-compare-digits | head -n 1)/compare.png" docs/compare.png

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv

clean:
	rm -rf .uv .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
