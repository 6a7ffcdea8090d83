"""The value that every loader returns: training and test examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test examples, one example per row.

    Iterating yields the four arrays, so ``X, y, X_test, y_test = gn.datasets.digits()`` works.

    Parameters
    ----------
    X : array, shape (m, n)
        Training examples; float32, pixels from 0 to 1 (memory-mapped files keep their own dtype and range). Of files of
        sparse rows, a ``scipy.sparse.csr_array``.
    y : array, shape (m,) or (m, k)
        int64 class numbers, or rows of real numbers: multi-label, one-hot or real targets.
    X_test, y_test : array
        The same for the test set.
    name : str
        Name of the data set.
    image_shape : tuple of int or None
        (height, width) or (height, width, channels) in pixels, where the rows are images.
    class_names : tuple of str or None
        The name of each class number, or of each column of a multi-label `y`.
    X_val, y_val : array or None
        The same for a validation set, where the source has one.
    notes : tuple of str
        What was understood or left out, for a printout.
    first_feature : int or None
        Of a svmlight file, the number that it gives its first feature.

    Raises
    ------
    ValueError
        If the shapes of the arrays do not match.
    TypeError
        For what is no array.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    name: str
    image_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    X_val: NDArray[Any] | None = None
    y_val: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    first_feature: int | None = None

    def __post_init__(self) -> None:
        sets = [("", self.X, self.y), ("_test", self.X_test, self.y_test)]
        if self.X_val is not None and self.y_val is not None:
            sets.append(("_val", self.X_val, self.y_val))
        for suffix, X, y in sets:
            for what, array in ((f"X{suffix}", X), (f"y{suffix}", y)):
                if not hasattr(array, "shape"):
                    raise TypeError(f"{self.name}: {what} must be an array, got {type(array).__name__}")
            if X.ndim != 2:
                raise ValueError(
                    f"{self.name}: X{suffix} must have shape (examples, features), got {X.shape}; "
                    "flatten each example to one row"
                )
            if X.shape[0] != len(y):
                raise ValueError(
                    f"{self.name}: X{suffix} and y{suffix} must have one row per example, "
                    f"got {X.shape[0]} and {len(y)} rows; check that they belong together"
                )
            if X.shape[0] == 0:
                raise ValueError(
                    f"{self.name}: X{suffix} has no examples; give at least one training example "
                    "and one test example"
                )
        if self.X.shape[1] != self.X_test.shape[1] or self.y.shape[1:] != self.y_test.shape[1:]:
            raise ValueError(
                f"{self.name}: training and test examples must have the same columns, "
                f"got X {self.X.shape} and y {self.y.shape}, "
                f"X_test {self.X_test.shape} and y_test {self.y_test.shape}"
            )

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.X, self.y, self.X_test, self.y_test))

    def __repr__(self) -> str:
        text = f"<Dataset {self.name}: {self.X.shape[0]} training and {self.X_test.shape[0]} test examples"
        text += f" of {self.X.shape[1]} features"
        if self.image_shape is not None:
            text += f" ({' x '.join(map(str, self.image_shape))} images)"
        if self.class_names is not None:
            text += f", {len(self.class_names)} classes"
        return text + ">"


def image_rows(images: NDArray[Any], dtype: str = "float32") -> NDArray[Any]:
    """Turn m images into m rows of numbers (C1).

    Parameters
    ----------
    images : array, shape (m, height, width) or (m, height, width, channels)
        uint8 pixels are divided by 255; pixels of other types are taken as they are.
    dtype : {"float32", "float64"}
        Of the result.

    Returns
    -------
    array of `dtype`, shape (m, height * width [* channels])
        Each image row by row, its channels innermost.
    """
    rows = images.reshape(len(images), -1)
    if rows.dtype == np.uint8:
        # With dtype, NumPy writes float32 directly, without a float64 array in between.
        scaled: NDArray[Any] = np.divide(rows, np.dtype(dtype).type(255), dtype=dtype)
        return scaled
    return rows.astype(dtype)
