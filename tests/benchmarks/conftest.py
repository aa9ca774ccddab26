"""The tables' scripts import one another by name, as scripts do; here from their folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAPERS = Path(__file__).parents[2] / "benchmarks" / "papers"


@pytest.fixture(scope="session")
def papers() -> Iterator[Path]:
    """benchmarks/papers, importable; neither its modules nor the path stay."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(PAPERS))
    yield PAPERS
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(PAPERS.parent)):
            del sys.modules[name]
