""".npy and .npz files, and the rows in them."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.dataset import image_rows
from gpunet.devices.host_memory import host_memory

# What NumPy raises on files that are truncated, damaged, encrypted or of another kind: its parser of a header raises
# what Python's own parser does, and what comes of an array of any size.
_UNREADABLE = (
    *(OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error),
    *(TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError, MemoryError, tokenize.TokenError),
)


def open_npy(path: Path) -> NDArray[Any]:
    """Memory-map one array for reading; raise ValueError if the file cannot be read as one."""
    try:
        with np.errstate(over="ignore"):  # of a shape that no array has
            found: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    return found


def open_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an archive; raise ValueError if it cannot be read as one, or is larger than memory."""
    try:
        # Opened here: NumPy does not close the file of a damaged archive.
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.lib.npyio.NpzFile):
                members = zipfile.ZipFile(file).infolist()
                size, memory = sum(member.file_size for member in members), host_memory()
                if size <= memory:
                    return {name: found[name] for name in found.files}
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    if isinstance(found, np.lib.npyio.NpzFile):
        raise ValueError(
            f"{path}: its arrays take {size / 2**30:,.1f} GiB unpacked, and this process may use {memory / 2**30:,.1f} "
            "GiB of memory: save them as .npy, which is read from the disk as needed"
        )
    raise ValueError(f"{path}: expected several named arrays, got one; end its name in .npy")


def first_present(arrays: Mapping[str, object], names: Sequence[str]) -> str | None:
    """Return the first of `names` that is among the arrays."""
    return next((name for name in names if name in arrays), None)


def rows(
    array: NDArray[Any], where: str, dtype: str = "float32"
) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Rows of `dtype` and, if the array holds images, the shape of one image."""
    _check_rows(array, where)
    if array.ndim > 2:
        return image_rows(array, dtype), array.shape[1:]
    # Numbers too large for float32 become infinite; the network refuses them.
    with np.errstate(over="ignore"):
        return array.astype(dtype), None


def rows_view(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Rows of an array without a copy: images are flattened by a view."""
    _check_rows(array, where)
    if array.ndim > 2 and not array.flags.c_contiguous:
        raise ValueError(
            f"{where}: expected images in C order, so that each is one row without a copy, got "
            "Fortran order; save it again with numpy.ascontiguousarray"
        )
    return array if array.ndim == 2 else array.reshape(len(array), -1)


def _check_rows(array: NDArray[Any], where: str) -> None:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{where} must hold real numbers, got an array of {array.dtype}")
    if array.ndim not in (2, 3, 4) or array.size == 0:
        raise ValueError(
            f"{where} must be rows (m, n) or images (m, height, width[, channels]) and not empty, "
            f"got shape {array.shape}"
        )


def _damaged(path: Path, error: Exception) -> ValueError:
    why = f" ({str(error) or type(error).__name__})"
    if "allow_pickle" in why:  # NumPy's advice is to unpickle, which runs the code that a file holds
        why = ""
    return ValueError(
        f"{path}: cannot be read as arrays{why}; it is damaged, truncated, of another kind, or holds Python objects: "
        "save it again with numpy.save (.npy) or numpy.savez (.npz)"
    )
