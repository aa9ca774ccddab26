from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opu.training.graph_data import FILE, GraphData, load_cora
from opu.training.methods import make_method, make_network
from opu.training.optimiser import make_optimiser
from opu.training.settings import TrainSettings
from opu.training.trainer import Plan, fit

from opu.errors import ConfigError, InputError


def arrays() -> dict[str, Any]:
    """Twelve papers in two cliques of six; the first word tells which, the others nothing."""
    cliques = [(a, b) for base in (0, 6) for a in range(base, base + 6) for b in range(a + 1, base + 6)]
    words = [[node // 6, 2 + node % 3] for node in range(12)]
    return {
        "feature_indices": np.array(words, np.int16).ravel(),
        "feature_indptr": np.arange(0, 25, 2, dtype=np.int32),
        "n_features": np.int64(5),
        "labels": np.arange(12, dtype=np.int8) // 6,
        "edges": np.array(cliques, np.int32),
        "train": np.array([0, 6]),
        "val": np.array([1, 7]),
        "test": np.array([2, 3, 8, 9]),
    }


def write(folder: Path, **changes: Any) -> Path:
    np.savez(folder / FILE, **{key: value for key, value in (arrays() | changes).items() if value is not None})
    return folder


def test_a_file_becomes_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPU_DATA", str(write(tmp_path)))
    data = load_cora()
    assert (data.n_features, data.n_classes, data.n_train, data.n_test, data.steps(7)) == (5, 2, 2, 4, 1)
    np.testing.assert_allclose(data.x.toarray()[7], [0, 0.5, 0, 0.5, 0])
    np.testing.assert_allclose(data.adjacency.toarray()[:6, :6], 1 / 6)
    (sample,) = data.batches(0, 1, 2)
    assert sample.rows is data.train
    assert set(data.parts()) == {"test", "validation"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "it must hold the arrays"),
        ({"feature_indptr": np.arange(5)}, "do not describe 12 rows of 5 features"),
        ({"feature_indices": np.full(24, 9)}, "do not describe"),
        ({"val": np.array([12])}, r"val must hold node numbers in 0\.\.11"),
        ({"test": np.array([], int)}, "one or more"),
        ({"edges": np.array([[0, 99]])}, r"numbers in 0\.\.11"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_cora(write(tmp_path, **changes))


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cora\.npz is not in .*OPU_DATA"):
        load_cora(tmp_path)
    (tmp_path / FILE).write_bytes(b"PK rubbish")
    with pytest.raises(InputError, match="cannot be read"):
        load_cora(tmp_path)


@pytest.mark.parametrize("method", ["bp", "fa", "dfa", "drtp", "local", "dni", "dithered", "slots"])
def test_every_method_learns_a_graph(tmp_path: Path, method: str) -> None:
    data = load_cora(write(tmp_path))
    settings = TrainSettings(method=method, feedback="digital", dataset="cora", hidden=(16,), dropout=0.2).resolved()
    network = make_network(settings, data)
    rule = make_method(settings, network)
    optimiser = make_optimiser("adam", [*network.parameters, *rule.parameters], weight_decay=1e-4)
    records = fit(network, rule, optimiser, data, Plan(60, 2, 0, 1e-2, "constant"))
    assert records[-1].test_accuracy == records[-1].validation_accuracy == 1.0
    measured = [r.epoch for r in records if r.batch_angle_deg[0] is not None]
    assert measured == ([] if method == "slots" else [10, 20, 30, 40, 50, 60])


def real() -> GraphData | None:
    candidates = [os.environ.get("OPU_DATA"), Path(__file__).parents[2] / ".." / "shared" / "data"]
    folder = next((Path(c) for c in candidates if c and (Path(c) / FILE).is_file()), None)
    return None if folder is None else load_cora(folder)


def test_real_cora() -> None:
    data = real()
    if data is None:
        pytest.skip("cora.npz not found: set OPU_DATA")
    assert (data.x.shape, data.x.nnz, data.n_classes) == ((2708, 1433), 49216, 7)
    assert (len(data.train), len(data.validation), len(data.test)) == (140, 500, 1000)
    assert data.adjacency.nnz == 2 * 5278 + 2708
