from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from opu.training.data import Dataset, load, standardised

from opu.errors import ConfigError, InputError, OPUError

PREFIXES = {"train": 7, "t10k": 3}


def write_mnist(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for prefix, n in PREFIXES.items():
        images = struct.pack(">IIII", 0x803, n, 4, 4) + rng.integers(0, 256, n * 16, dtype=np.uint8).tobytes()
        labels = struct.pack(">II", 0x801, n) + bytes([9, *range(n - 1)])
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)


def test_digits_is_a_fixed_stratified_split(digits: Dataset) -> None:
    assert digits.train_x.shape == (1437, 64)
    assert digits.test_x.shape == (360, 64)
    assert (digits.n_classes, digits.n_features) == (10, 64)
    shares = np.bincount(digits.test_y) / np.bincount(np.r_[digits.train_y, digits.test_y])
    assert np.all(np.abs(shares - 0.2) < 0.01)
    again = load("digits")
    np.testing.assert_array_equal(again.test_x, digits.test_x)
    train = {row.tobytes() for row in digits.train_x}
    assert sum(row.tobytes() in train for row in digits.test_x) == 0


def test_digits_is_standardised_by_its_training_part(digits: Dataset) -> None:
    assert digits.train_x.dtype == np.float32
    assert digits.train_y.dtype == np.int64
    assert abs(float(digits.train_x.mean(dtype=np.float64))) < 1e-5
    assert abs(float(digits.train_x.std(dtype=np.float64)) - 1) < 1e-5
    assert abs(float(digits.test_x.mean(dtype=np.float64))) > 1e-5  # the test part had no say


@pytest.mark.parametrize("sub", [".", "mnist"])
def test_mnist_is_found_in_the_folder_or_its_mnist(tmp_path: Path, sub: str) -> None:
    write_mnist(tmp_path / sub)
    data = load("mnist", tmp_path)
    assert data.train_x.shape == (7, 16)
    assert data.test_y.tolist() == [9, 0, 1]


def test_mnist_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.setenv("OPU_DATA", str(tmp_path))
    assert len(load("mnist").train_x) == 7


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        load("mnist", tmp_path / "nowhere")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ConfigError, match=r"t10k-labels-idx1-ubyte\(.gz\) is neither in"):
        load("mnist", tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte"
    good = path.read_bytes()
    path.write_bytes(good[:-2])
    with pytest.raises(InputError, match="train-labels-idx1-ubyte holds 5 values"):
        load("mnist", tmp_path)
    path.write_bytes(good[:-1] + b"\x0a")
    with pytest.raises(InputError, match="holds label 10"):
        load("mnist", tmp_path)
    path.write_bytes(struct.pack(">II", 0x801, 6) + bytes(6))
    with pytest.raises(InputError, match="7 images and 6 labels"):
        load("mnist", tmp_path)


def test_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.delenv("OPU_DATA", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", offline)
    with pytest.raises(OPUError, match=r"no route to host.*--data DIR or set OPU_DATA"):
        load("mnist")


def test_missing_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(OPUError, match=r"pip install 'openopu\[train\]'"):
        load("digits")


def test_unknown_and_constant_sets_are_refused() -> None:
    with pytest.raises(ConfigError, match="'cora' is a graph, and this works on images"):
        load("cora")
    with pytest.raises(ConfigError, match="'cifar' is unknown: choose one of digits, mnist"):
        load("cifar")
    part = np.ones((4, 2)), np.zeros(4)
    with pytest.raises(InputError, match="every training value equals 1"):
        standardised("flat", part, part)


def test_real_mnist() -> None:
    candidates = [os.environ.get("OPU_DATA"), Path(__file__).parents[2] / ".." / "shared" / "data"]
    folder = next((Path(c) for c in candidates if c and Path(c).is_dir()), None)
    if folder is None:
        pytest.skip("MNIST files not found: set OPU_DATA")
    data = load("mnist", folder)
    assert (data.train_x.shape, data.test_x.shape) == ((60000, 784), (10000, 784))
    assert data.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    # pixel mean 0.1307 and deviation 0.3081 of full scale are MNIST's published figures; background is -mean/std
    assert float(data.train_x.min()) == pytest.approx(-0.1307 / 0.3081, abs=1e-3)
