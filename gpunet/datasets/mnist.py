"""MNIST and Fashion-MNIST: four IDX files each, from a folder or downloaded once."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.dataset import Dataset, image_rows
from gpunet.datasets.download import download
from gpunet.datasets.idx import read_idx
from gpunet.datasets.published import (
    FASHION,
    FILES,
    MNIST,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Source,
)
from gpunet.paths import file_path


def mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """70,000 handwritten digits of 28 x 28 pixels (C1).

    The four IDX files, compressed with gzip or not, are read from `folder`, else from the folder that the
    environment variable ``GPUNET_DATA`` names: from its subfolder ``mnist``, else from the folder itself.
    With neither given, they are downloaded once into the user's cache. Their SHA-256 sums are checked. If a
    folder is given, nothing is downloaded.

    Parameters
    ----------
    folder : path, optional
        The folder of the files.

    Returns
    -------
    Dataset
        X (60000, 784) and X_test (10000, 784) float32, from 0 (paper) to 1 (ink); y and y_test
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
    """70,000 images of clothes, 28 x 28 pixels, in ten classes: Fashion-MNIST (C1).

    Works like `mnist`; the subfolder is ``fashion``. Files that are not compressed with gzip have no published
    sums: only their structure is checked, and that they are not the files of MNIST, which have the same names.

    Parameters
    ----------
    folder : path, optional
        The folder of the files.

    Returns
    -------
    Dataset
        X (60000, 784) and X_test (10000, 784) float32, from 0 to 1; y and y_test int64.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `mnist`.
    """
    return read(FASHION, folder)


def read(source: Source, folder: str | os.PathLike[str] | None) -> Dataset:
    """Find or download the files of `source`, check them and read them."""
    if folder is not None:
        place = _find(source, file_path("folder", folder).expanduser(), "the given folder")
    elif os.environ.get("GPUNET_DATA"):
        root = Path(os.environ["GPUNET_DATA"]).expanduser()
        place = _find(source, root, "the folder that GPUNET_DATA names")
    else:
        place = download(source)
    X, y = _read_pair(source, place, TRAIN_IMAGES, TRAIN_LABELS, source.train_examples)
    X_test, y_test = _read_pair(source, place, TEST_IMAGES, TEST_LABELS, source.test_examples)
    return Dataset(X, y, X_test, y_test, source.name, source.image_shape, source.class_names)


def _find(source: Source, root: Path, origin: str) -> Path:
    """The folder of all four files: a subfolder of `root`, or `root` itself. `origin` says who named it."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}, {origin}, is not a folder; give the folder of the four IDX files of {source.title} with "
            "folder (--data) or GPUNET_DATA, or leave both out to download them"
        )
    for place in (root / source.name, root):
        missing = [name for name in FILES if _present(place, name) is None]
        if not missing:
            return place
        if len(missing) < len(FILES):
            raise FileNotFoundError(
                f"{place} does not hold all four files of {source.title}: "
                f"{', '.join(missing)} (.gz or not) missing; copy them there"
            )
    raise FileNotFoundError(
        f"{root}, {origin}, holds no file of {source.title}, and neither does a subfolder {source.name}: "
        f"expected {', '.join(FILES)} (.gz or not); copy them there, or leave out folder (--data) and "
        "GPUNET_DATA to download them"
    )


def _present(place: Path, name: str) -> Path | None:
    # The compressed file first: its SHA-256 sum is always known.
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
    assert path is not None  # _find and download made sure of it
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = source.sums.get(path.name)
    # The files of MNIST have the same names, and those of Fashion-MNIST have no published sums when unpacked.
    of_mnist = source is not MNIST and digest in MNIST.sums.values()
    if of_mnist or (known is not None and digest != known):
        raise ValueError(
            f"{path} is not a file of {source.title}: expected the SHA-256 sum {known or 'of another file'}"
            f", got {digest}{', which is the sum of a file of MNIST' if of_mnist else ''}; the file "
            "is damaged, truncated or from another data set: copy or download it again"
        )
    numbers: NDArray[Any] = read_idx(path, most=math.prod(shape) + 1)
    if numbers.dtype != np.uint8 or numbers.shape != shape:
        raise ValueError(
            f"{path}: expected uint8 of shape {shape}, got {numbers.dtype} of shape "
            f"{numbers.shape}; check that it belongs to {source.title}"
        )
    return numbers
