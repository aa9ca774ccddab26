"""Data sets: handwritten digits that come with scikit-learn, and MNIST from files or from openml.org."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.arrays import namespace
from opu.errors import ConfigError, InputError, OPUError

from .arrays import Array, Labels
from .idx import read_idx
from .sample import Sample
from .streams import stream

DATASETS = ("digits", "mnist")
_MNIST_TRAIN = 60_000


@dataclass(frozen=True)
class Dataset:
    """A labelled set in two parts: x float32 (n, features) standardised by the training part, y int64 (n,)."""

    name: str
    train_x: Array
    train_y: Labels
    test_x: Array
    test_y: Labels
    n_classes: int

    @property
    def n_features(self) -> int:
        """Width of one sample."""
        return int(self.train_x.shape[1])

    @property
    def n_train(self) -> int:
        """Training samples."""
        return int(self.train_x.shape[0])

    @property
    def n_test(self) -> int:
        """Test samples."""
        return int(self.test_x.shape[0])

    @property
    def probe_every(self) -> int:
        """Angles are measured after every epoch."""
        return 1

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch; the last one may be shorter."""
        return -(-self.n_train // batch_size)

    def batches(self, seed: int, epoch: int, batch_size: int) -> Iterator[Sample]:
        """The training part once, in an order that is a function of (seed, epoch)."""
        order = stream(seed, "batches", epoch).permutation(self.n_train)
        for start in range(0, self.n_train, batch_size):
            rows = order[start : start + batch_size]
            yield self._sample(rows)

    def probe(self, seed: int, size: int) -> Sample:
        """`size` training samples, or all if there are fewer; a function of the seed."""
        rows = stream(seed, "probe").permutation(self.n_train)[:size]
        return self._sample(rows)

    def to(self, xp: Any) -> Dataset:
        """Return the data set with its arrays in the namespace `xp` (cupy, ...)."""
        arrays = {name: xp.asarray(getattr(self, name)) for name in ("train_x", "train_y", "test_x", "test_y")}
        return replace(self, **arrays)

    def _sample(self, rows: Labels) -> Sample:
        xp = namespace(self.train_x)
        if xp is np:
            return Sample(self.train_x[rows], self.train_y[rows])
        numbers = xp.asarray(rows)
        return Sample(xp.take(self.train_x, numbers, axis=0), xp.take(self.train_y, numbers, axis=0))

    def parts(self) -> dict[str, Sample]:
        """What accuracy is measured on: the test part."""
        return {"test": Sample(self.test_x, self.test_y)}


def load(name: str, folder: Path | None = None) -> Dataset:
    """Return a data set, standardised by one mean and standard deviation of its training part.

    name: 'digits' (1,797 images of 8 x 8, fixed stratified 80/20 split) or 'mnist' (60,000 + 10,000 of 28 x 28: IDX
    files in `folder`, `folder/mnist` or where OPU_DATA points, else openml.org). Raises ConfigError for an unknown name
    or missing files, InputError for damaged ones, OPUError when scikit-learn or the network is missing.
    """
    if name == "digits":
        return _digits()
    if name == "mnist":
        given = folder if folder is not None else _folder_from_environment()
        return _mnist_from_openml() if given is None else _mnist_from_files(given)
    if name == "cora":
        raise ConfigError(f"dataset 'cora' is a graph, and this works on images: choose one of {', '.join(DATASETS)}")
    raise ConfigError(f"dataset '{name}' is unknown: choose one of {', '.join(DATASETS)}")


def standardised(name: str, train: tuple[Any, Any], test: tuple[Any, Any]) -> Dataset:
    """Return a data set from raw (x, y) parts, x (n, ...) flattened. Raises InputError for empty or constant parts."""
    (train_x, train_y), (test_x, test_y) = train, test
    for part, x, y in (("training", train_x, train_y), ("test", test_x, test_y)):
        if len(x) != len(y) or len(x) == 0:
            raise InputError(
                f"{name}: the {part} part has {len(x)} images and {len(y)} labels; they must pair, 1 or more"
            )
    mean = np.float32(np.mean(train_x, dtype=np.float64))
    std = np.float32(np.std(train_x, dtype=np.float64))
    if not std > 0:
        raise InputError(f"{name}: every training value equals {mean:g}: there is nothing to learn from")

    def scale(x: NDArray[Any]) -> Array:
        flat = x.reshape(len(x), -1).astype(np.float32)
        flat -= mean
        flat /= std
        return flat

    labels = train_y.astype(np.int64), test_y.astype(np.int64)
    n_classes = int(max(labels[0].max(), labels[1].max())) + 1
    return Dataset(name, scale(train_x), labels[0], scale(test_x), labels[1], n_classes)


def _digits() -> Dataset:
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise _needs_sklearn("digits") from error
    x, y = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    return standardised("digits", (train_x, train_y), (test_x, test_y))


def _folder_from_environment() -> Path | None:
    value = os.environ.get("OPU_DATA", "").strip()
    return Path(value) if value else None


def _mnist_from_files(folder: Path) -> Dataset:
    parts = []
    for prefix in ("train", "t10k"):
        images = read_idx(_find(folder, f"{prefix}-images-idx3-ubyte"), 3)
        label_path = _find(folder, f"{prefix}-labels-idx1-ubyte")
        labels = read_idx(label_path, 1)
        if labels.size and labels.max() > 9:
            raise InputError(f"{label_path} holds label {labels.max()}, MNIST has 0..9: it is another data set")
        parts.append((images, labels))
    if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
        raise InputError(
            f"{folder}: training images are {parts[0][0].shape[1:]} pixels, test images {parts[1][0].shape[1:]}: "
            "the files belong to different data sets"
        )
    return standardised("mnist", parts[0], parts[1])


def _find(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise ConfigError(
            f"data folder {folder} does not exist: point --data or OPU_DATA at the folder with MNIST's files"
        )
    for candidate in (folder, folder / "mnist"):
        for suffix in (".gz", ""):
            path = candidate / f"{name}{suffix}"
            if path.is_file():
                return path
    raise ConfigError(
        f"{name}(.gz) is neither in {folder} nor in {folder / 'mnist'}: "
        "point --data or OPU_DATA at the folder with MNIST's four IDX files"
    )


def _mnist_from_openml() -> Dataset:
    try:
        from sklearn.datasets import fetch_openml
    except ImportError as error:
        raise _needs_sklearn("mnist from openml.org") from error
    try:
        x, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    except Exception as error:  # the network, the cache and the server each fail in their own way
        raise OPUError(
            f"mnist could not be fetched from openml.org ({type(error).__name__}: {error}): "
            "pass --data DIR or set OPU_DATA to a folder with MNIST's four IDX files, or train on digits"
        ) from error
    cut = _MNIST_TRAIN
    return standardised("mnist", (x[:cut], y[:cut]), (x[cut:], y[cut:]))


def _needs_sklearn(what: str) -> OPUError:
    return OPUError(f"{what} needs scikit-learn, which is not installed: pip install 'openopu[train]'")
