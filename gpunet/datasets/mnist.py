"""MNIST and Fashion-MNIST: four IDX files, from a folder or downloaded once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.dataset import Dataset, image_rows
from gpunet.datasets.download import download
from gpunet.datasets.idx import read_idx

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (_TRAIN_IMAGES, _TRAIN_LABELS, _TEST_IMAGES, _TEST_LABELS)


@dataclass(frozen=True)
class Source:
    """One published set of four IDX files."""

    name: str  # also the name of its sub-folder
    title: str
    sums: Mapping[str, str]  # SHA-256 of a file as published (.gz) and, where known, unpacked
    mirrors: tuple[str, ...]  # where the .gz files lie; tried in turn
    class_names: tuple[str, ...]
    train_examples: int = 60_000
    test_examples: int = 10_000
    image_shape: tuple[int, int] = (28, 28)


MNIST = Source(
    "mnist",
    "MNIST",
    {
        _TRAIN_IMAGES + ".gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        _TRAIN_LABELS + ".gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        _TEST_IMAGES + ".gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        _TEST_LABELS + ".gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        _TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    tuple(str(digit) for digit in range(10)),
)
FASHION = Source(
    "fashion",
    "Fashion-MNIST",
    {
        _TRAIN_IMAGES + ".gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        _TRAIN_LABELS + ".gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        _TEST_IMAGES + ".gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        _TEST_LABELS + ".gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        # No https there; the SHA-256 sums guard the content either way.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
)


def mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """70,000 handwritten digits of 28 x 28 pixels (claim C1).

    The four IDX files, packed with gzip or not, are looked for in `folder`, else in the folder that
    the environment variable ``GPUNET_DATA`` names: in its sub-folder ``mnist``, then in itself.
    With neither given, they are downloaded once into a cache of the user's. Their SHA-256 sums are
    checked. A folder that is given is never left for the network.

    Parameters
    ----------
    folder : path, optional
        Where the files lie.

    Returns
    -------
    Dataset
        X (60000, 784) and X_test (10000, 784) float32, ink as a fraction from 0 to 1; y and y_test
        int64, the digits.

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing, or no mirror could be reached.
    ValueError
        If a file is not the published one.
    ImportError
        If a download is needed and pooch is not installed.
    """
    return read(MNIST, folder)


def fashion(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """70,000 pictures of clothes, 28 x 28 pixels, in ten classes: Fashion-MNIST (claim C1).

    Works as `mnist` does; the sub-folder is ``fashion``. Of files that are not packed with gzip
    only the structure is checked, and that they are not MNIST's, which bear the same names.

    Parameters
    ----------
    folder : path, optional
        Where the files lie.

    Returns
    -------
    Dataset
        X (60000, 784) and X_test (10000, 784) float32, fractions from 0 to 1; y and y_test int64.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `mnist`.
    """
    return read(FASHION, folder)


def read(source: Source, folder: str | os.PathLike[str] | None) -> Dataset:
    """Find or download the files of `source`, check them and read them."""
    if folder is not None:
        place = _find(source, Path(folder).expanduser(), "the folder given")
    elif os.environ.get("GPUNET_DATA"):
        named = Path(os.environ["GPUNET_DATA"]).expanduser()
        place = _find(source, named, "the folder that GPUNET_DATA names")
    else:
        place = download(source.name, source.title, FILES, source.sums, source.mirrors)
    X, y = _read_pair(source, place, _TRAIN_IMAGES, _TRAIN_LABELS, source.train_examples)
    X_test, y_test = _read_pair(source, place, _TEST_IMAGES, _TEST_LABELS, source.test_examples)
    return Dataset(X, y, X_test, y_test, source.name, source.image_shape, source.class_names)


def _find(source: Source, root: Path, who: str) -> Path:
    """Return the folder that holds all four files: a sub-folder of `root`, or `root` itself."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}, {who}, is not a folder; name the folder of the four IDX files of "
            f"{source.title}, or name none, by folder= or GPUNET_DATA, and they are downloaded"
        )
    for place in (root / source.name, root):
        missing = [name for name in FILES if _present(place, name) is None]
        if not missing:
            return place
        if len(missing) < len(FILES):
            raise FileNotFoundError(
                f"{place} holds only a part of {source.title}: expected four files, "
                f"{', '.join(missing)} (.gz or not) missing; copy them there"
            )
    raise FileNotFoundError(
        f"{root}, {who}, holds no file of {source.title}, nor does a sub-folder {source.name}: "
        f"expected {', '.join(FILES)} (.gz or not); copy them there, or name no folder, by "
        "folder= or GPUNET_DATA, and they are downloaded"
    )


def _present(place: Path, name: str) -> Path | None:
    # The packed file first: its sum is always known.
    for path in (place / f"{name}.gz", place / name):
        if path.is_file():
            return path
    return None


def _read_pair(
    source: Source, place: Path, images_name: str, labels_name: str, examples: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images = _read_checked(source, place, images_name, (examples, *source.image_shape))
    labels = _read_checked(source, place, labels_name, (examples,))
    if labels.max() >= len(source.class_names):
        raise ValueError(
            f"{_present(place, labels_name)}: expected labels from 0 to "
            f"{len(source.class_names) - 1}, got {labels.max()}; copy or download the file again"
        )
    return image_rows(images), labels.astype(np.int64)


def _read_checked(source: Source, place: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    path = _present(place, name)
    assert path is not None  # _find and download saw it
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = source.sums.get(path.name)
    # MNIST's files bear the same names, and Fashion-MNIST's have no published sums when unpacked.
    mnists = source is not MNIST and digest in MNIST.sums.values()
    if mnists or (known is not None and digest != known):
        raise ValueError(
            f"{path} is not {source.title}'s: expected the SHA-256 sum {known or 'of another file'}"
            f", got {digest}{', which is the sum of a file of MNIST' if mnists else ''}; the file "
            "is damaged, cut short or of another data set: copy or download it again"
        )
    numbers: NDArray[Any] = read_idx(path)
    if numbers.dtype != np.uint8 or numbers.shape != shape:
        raise ValueError(
            f"{path}: expected uint8 of shape {shape}, got {numbers.dtype} of shape "
            f"{numbers.shape}; check that it is {source.title}'s"
        )
    return numbers
