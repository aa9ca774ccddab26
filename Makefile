# A thin skin over uv. Every target sets up what it needs; on Windows type the `uv run ...` lines themselves.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
ARGS ?=

.PHONY: train test lint check clean

train: $(UV)  ## set up everything and train a network on handwritten digits through simulated light
	$(UV) run opu train $(ARGS)

test: $(UV)  ## set up everything and run the tests
	$(UV) run pytest $(ARGS)

lint: $(UV)  ## style, types, layers
	$(UV) run ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run lint-imports

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv

clean:
	rm -rf .uv .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
