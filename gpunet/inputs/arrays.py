"""User data to checked rows on a device.

The public functions take examples as rows, ``(m, n)``; the lecture has them as columns, ``(n, m)``: `pipeline` turns
one into the other, as a transposed view. Every check runs before any weight changes, on the device that holds the
data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.devices.placement import Placement
from gpunet.devices.registry import backend_of
from gpunet.devices.sharing import shared
from gpunet.inputs.dtypes import dtype_name
from gpunet.inputs.table_forms import is_frame

Array = Any

# NumPy's kinds of dtype that are not real numbers, in words.
NOT_REAL = {
    "U": "text",
    "S": "text",
    "T": "text",
    "O": "Python objects (None, text or rows of different lengths among them?)",
    "c": "complex numbers",
    "M": "dates",
    "m": "time spans",
}


def to_device_array(name: str, array: Any, placement: Placement, dtype: str | None) -> Array:
    """`array` (any library, or lists) on the placement's device, cast to `dtype` (None: as it is).

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    """
    source, xp = backend_of(array), placement.xp
    if source is placement.backend:
        moved = source.move(array, placement.device)
    else:
        moved = None if source is None else shared(array, source, placement)
    if moved is not None:
        if dtype is not None and moved.dtype == getattr(xp, dtype):
            return moved
    else:
        host = source.to_host(array) if source is not None else from_lists(name, array)
        if host.dtype.kind not in "biuf" or len(host.shape) != len(getattr(array, "shape", host.shape)):
            require_number_columns(name, array)  # a cell may hold several numbers
        require_real(name, host.dtype)
        if dtype is not None and host.dtype.itemsize > 1:
            # Cast before the transfer: half the traffic for 64-bit data, and libraries without such types
            # never see them. Bytes are transferred as bytes.
            with np.errstate(over="ignore"):  # too large becomes infinity, which `require_finite` reports
                host = host.astype(dtype, copy=False)
        moved = placement.to_device(np.ascontiguousarray(host, host.dtype.newbyteorder("=")))
    text = getattr(moved.dtype, "kind", "") == "T"  # NumPy's StringDType, which isdtype does not know
    if text or not xp.isdtype(moved.dtype, ("bool", "integral", "real floating")):
        require_real(name, moved.dtype)
    if dtype is None:
        return moved
    with np.errstate(over="ignore"):
        return xp.astype(moved, getattr(xp, dtype), copy=False)


def is_wide(X: Any) -> bool:
    """Whether X may hold numbers that float32 rounds: Python's, float64, and integers above 2²⁴."""
    return dtype_name(X) not in ("float32", "float16", "bfloat16", "bool", "int8", "uint8", "int16", "uint16")


def holds_integers(X: Any) -> bool:
    """Whether no number of an array can be NaN or infinity, in its own dtype or as a float."""
    return dtype_name(X).startswith(("int", "uint", "bool"))


def from_lists(name: str, values: Any) -> Any:
    """Lists, tables and the like as a NumPy array."""
    if hasattr(values, "toarray"):
        taken = (
            ", but none of SciPy or CuPy: pass a scipy.sparse.csr_array, or"
            if name.endswith("X")
            else "; pass"
        )
        raise TypeError(f"{name} is a sparse matrix{taken} {name}.toarray()")
    if hasattr(values, "to_numpy") and not hasattr(values, "to_pylist"):  # pandas or Polars, not PyArrow
        try:
            values = np.asarray(values.to_numpy())
        except TypeError:  # columns of kinds that no array holds together
            require_number_columns(name, values)
            raise
    try:
        given = np.asanyarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is ragged: {_first_ragged_row(values) or error}") from None
    except RuntimeError as error:  # PyTorch's, for a list of tensors that require gradients
        raise TypeError(f"{name} can't be made an array: {error}") from None
    found = require_unmasked(name, given)
    if found.dtype.kind != "O":
        return found
    try:
        numbers = np.array(found.tolist())  # Python's numbers in an array of objects
    except ValueError:
        return found
    return numbers if numbers.dtype.kind in "biuf" else found


def require_unmasked(name: str, array: Any) -> NDArray[Any]:
    """An array of NumPy's own type.

    Raises
    ------
    ValueError
        If entries are masked: what stands there is not theirs.
    """
    if np.ma.is_masked(array):
        raise ValueError(f"{name} has masked entries: fill them, or remove their rows")
    return np.asarray(array)


def require_number_columns(name: str, frame: Any) -> None:
    """Raise a TypeError that names the columns of a DataFrame that hold no numbers; other data pass."""
    if not is_frame(frame) or not hasattr(frame, "__getitem__"):
        return
    from gpunet.tables.frames import names_of

    words = [str(one) for one in names_of(frame) if not _are_numbers(from_lists(name, frame[one]))]
    if words:
        listed = ", ".join(map(repr, words[:8])) + (", …" if words[8:] else "")
        are = f"columns {listed} hold" if words[1:] else f"column {listed} holds"
        raise TypeError(
            f"{name} must hold real numbers; its {are} others (text, dates, lists, missing cells): give the Network "
            "encoder=gpunet.TableEncoder(), which makes numbers of them, or leave them out"
        )


def _are_numbers(column: Any) -> bool:
    """Whether a column holds numbers, one in each row, none of which is missing."""
    kind = column.dtype.kind
    return column.ndim == 1 and (kind in "biu" or (kind == "f" and not np.isnan(column).any()))


def _first_ragged_row(values: Any) -> str:
    """Which row of a ragged list differs from row 0, in length or in shape."""
    found = [_extent(row) for row in values]
    for i, extent in enumerate(found):
        if extent != found[0]:
            return f"row 0 has {found[0]}, row {i} has {extent}"
    return ""


def _extent(row: Any) -> str:
    """The length of a row, or the shape of an image, in words."""
    shape = getattr(row, "shape", None)
    if shape is not None and len(shape) > 1:
        return f"the shape {tuple(shape)}"
    return f"{len(row)} entries" if hasattr(row, "__len__") else "a single number"


def require_real(name: str, dtype: Any) -> None:
    """Raise a TypeError unless `dtype` is one of real numbers or booleans."""
    kind = getattr(dtype, "kind", None)
    if kind is not None and kind in "biuf":
        return
    hint = ""
    if kind is not None and kind in "OUST":
        hint = (
            " Class names become numbers with classes, y = numpy.unique(names, return_inverse=True)."
            if name.endswith("y")
            else f" If its entries are numbers, pass numpy.asarray({name}, dtype=float)."
        )
    raise TypeError(f"{name} must hold real numbers, it holds {NOT_REAL.get(kind or '', str(dtype))}.{hint}")


def shape_of(name: str, X: Any, inputs: int | None) -> tuple[int, int]:
    """``(m, n)`` of X once images are flattened; checked against the network's inputs.

    Raises
    ------
    ValueError, TypeError
        For what is no array, and for a shape that is not rows of examples.
    """
    shape = tuple(X.shape)
    if len(shape) not in (2, 3, 4):
        hint = ""
        if len(shape) == 1 and shape[0]:
            hint = f" One example alone is {name}.reshape(1, -1)."
            if hasattr(X, "to_frame"):  # a row or a column of a DataFrame
                hint = " One row or column of a DataFrame alone is a DataFrame, such as df.iloc[[0]] or df[['a']]."
            elif inputs in (1, None):
                hint += f" {shape[0]} examples of one feature are {name}.reshape(-1, 1)."
        raise ValueError(
            f"{name} must be rows of examples, (m, n), or images, (m, height, width[, channels]); "
            f"got shape {shape}.{hint}"
        )
    m, n = shape[0], math.prod(shape[1:])
    if m == 0 or n == 0:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if inputs is not None and n != inputs:
        hint = ""
        if len(shape) == 2 and m == inputs:
            hint = f" These look like columns: pass {name}.T."
        elif math.prod(shape) == inputs:
            hint = f" One example alone is {name}.reshape(1, -1)."
        raise ValueError(
            f"{name} has {n} features per example (shape {shape}), the network takes {inputs}.{hint}"
        )
    return m, n


def checked_rows(
    name: str,
    X: Any,
    placement: Placement,
    dtype: str | None,
    inputs: int | None,
    *,
    finite: bool = True,
    first_row: int = 0,
) -> Array:
    """X as rows ``(m, n)`` on the placement's device, images flattened (C1), every number finite.

    Parameters
    ----------
    name : str
        Of X, in messages.
    X : array or list
    placement : Placement
    dtype : str or None
        None leaves X in its own.
    inputs : int or None
        Features per example; None accepts any number.
    finite : bool
        False leaves :func:`require_finite` to the caller.
    first_row : int
        The number of the first row, in messages.

    Raises
    ------
    ValueError, TypeError
        For a wrong shape or dtype, or the first row that holds NaN or infinity.
    """
    if not hasattr(X, "shape"):
        if isinstance(X, str | bytes | Mapping) or X is None:
            hint = ""
            if isinstance(X, Mapping) and not isinstance(X, dict) and len(X):  # an .npz file, or one of h5py
                hint = f": give one of its arrays, such as {name}[{next(iter(X))!r}]"
            raise TypeError(f"{name} must be an array or a list of rows, got {type(X).__name__}{hint}")
        X = from_lists(name, X)
        require_real(name, X.dtype)
    m, n = shape_of(name, X, inputs)
    rows = to_device_array(name, X, placement, dtype)
    if len(rows.shape) != 2:
        rows = placement.xp.reshape(rows, (m, n))
    if finite and not holds_integers(X):
        require_finite(placement.xp, name, rows, first_row)
    return rows


def require_finite(xp: Any, name: str, rows: Array, first_row: int = 0) -> None:
    """Raise a ValueError that names the first row with NaN or infinity, counted from `first_row`."""
    # The sum is finite if all numbers are, short of overflow: one pass, nothing allocated.
    with np.errstate(all="ignore"):
        if bool(xp.isfinite(xp.sum(rows))):
            return
    good = xp.isfinite(rows)
    if len(rows.shape) == 2:
        good = xp.all(good, axis=1)
    if bool(xp.all(good)):
        return
    raise not_finite(name, first_row + first_true(xp, ~good), dtype_name(rows))


def not_finite(name: str, row: int, dtype: str) -> ValueError:
    """The error for an array of which `row` is the first with NaN or infinity."""
    return ValueError(
        f"{name} holds NaN, infinity or a number too large for {dtype}, first in row {row}. "
        "Remove, fill or scale such rows."
    )


def first_true(xp: Any, flags: Array) -> int:
    """Index of the first true entry."""
    return int(xp.argmax(xp.astype(flags, xp.int8)))
