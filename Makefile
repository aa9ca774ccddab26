# A thin skin over uv. Every target sets up what it needs; on Windows type the `uv run ...` lines themselves.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
ARGS ?=

.PHONY: train compare test peers lint wheel-test torch-test examples benchmark bench-sweep papers faults picture clean

train: $(UV)  ## set up everything and train a network on handwritten digits through simulated light
	$(UV) run opu train $(ARGS)

compare: $(UV)  ## backprop, digital DFA, optical DFA and the last layer alone, on the same seeds
	$(UV) run opu compare $(ARGS)

test: $(UV)  ## set up everything and run the tests
	$(UV) run pytest -n 2 --dist worksteal $(ARGS)

peers:  ## Debian's lxi-tools and aravis-tools, which some tests drive, where apt-get and root are there
	.ci/peers

lint: $(UV)  ## style, types, layers
	$(UV) run ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run lint-imports

wheel-test: $(UV)  ## build the wheel, install it elsewhere, use it from outside the tree
	tests/wheel/smoke.sh $(abspath $(UV))

torch-test: .torch/ready  ## the tests that need PyTorch, in an environment of their own
	.torch/bin/python -m pytest -m torch tests/opu/test_torch*.py tests/opu/test_arrays.py tests/examples tests/benchmarks/test_papers_characters.py $(ARGS)

examples: .torch/ready  ## every example in full, on simulated light; OPU_DATA names the folder of those with data; half an hour
	set -e; for each in autoencoder convnet $(if $(OPU_DATA),cora_gcn transformer); do \
		.torch/bin/python examples/$$each.py $(ARGS); done

.torch/ready: pyproject.toml
	python3 -m venv .torch
	echo '*' > .torch/.gitignore
	.torch/bin/python -m pip install --quiet torch==2.13.0
	.torch/bin/python -m pip install --quiet -e '.[train,torch]' pytest hypothesis lightning array-api-strict
	touch $@

benchmark: $(UV)  ## the engine against stored matrices and its rivals; a few minutes
	$(UV) run python benchmarks/engine.py $(ARGS)

bench-sweep: $(UV)  ## sizes 2^12 to 2^20, every rival and the floor: table, JSON and plot; ten minutes
	$(UV) run python benchmarks/sweep.py --json benchmarks/results/sweep.json --plot benchmarks/results/sweep.png $(ARGS)

papers: $(UV)  ## the published tables of MNIST and Cora, ours beside theirs; ARGS="--data DIR"; kept runs are not repeated
	$(UV) run python benchmarks/papers/mnist.py $(ARGS)
	$(UV) run python benchmarks/papers/cora.py $(ARGS)

faults: $(UV)  ## an epoch of training through a thousand faults of the network; minutes
	$(UV) run python benchmarks/faults.py $(ARGS)

picture: $(UV)  ## make README's picture again
	$(UV) run opu compare --out build/picture
	cp "$$(ls -td build/picture/*-compare-digits | head -n 1)/compare.png" docs/compare.png

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv

clean:
	rm -rf .uv .venv .torch build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
