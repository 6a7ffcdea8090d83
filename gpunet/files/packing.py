"""Nested values that hold arrays, as JSON and a flat mapping of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

ARRAY = "array"  # the key of what stands in the JSON for an array
ENTRIES = "entries of a dict"  # of what stands for a dict that would be taken for such a one


def pack(value: Any) -> tuple[Any, dict[str, Any]]:
    """The value with each array replaced by its name, and the arrays by name.

    Parameters
    ----------
    value : dict, list, tuple, str, number, bool, None, or NumPy array of numbers or booleans
        Nested as one likes; keys are text. Tuples become lists.

    Raises
    ------
    TypeError
        For anything else; the message says where it is.
    """
    arrays: dict[str, Any] = {}
    return _packed(value, "", arrays), arrays


def _packed(value: Any, where: str, arrays: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"can't save {where or 'a dict'}: the keys of a dict must be text")
        packed = {key: _packed(one, f"{where}/{key}", arrays) for key, one in value.items()}
        return {ENTRIES: packed} if set(packed) in ({ARRAY}, {ENTRIES}) else packed
    if isinstance(value, list | tuple):
        return [_packed(one, f"{where}/{i}", arrays) for i, one in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return {ARRAY: _kept(value, where, arrays)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(
        f"can't save {where}: expected numbers, text, NumPy arrays, and lists and dicts of them; got "
        f"{type(value).__name__}"
    )


def _kept(array: Any, where: str, arrays: dict[str, Any]) -> str:
    """Put an array among the others; its name."""
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 8:
        raise TypeError(f"can't save {where}: expected an array of numbers or booleans, got {array.dtype}")
    name = where
    while name in arrays:  # {"a/b": …} beside {"a": {"b": …}}
        name += "'"
    # In this machine's byte order; an array without axes stays one.
    arrays[name] = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return name


def unpack(packed: Any, arrays: dict[str, Any]) -> Any:
    """The value that :func:`pack` packed, with lists for tuples.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    if isinstance(packed, dict):
        if set(packed) == {ARRAY}:
            return arrays[packed[ARRAY]]
        if set(packed) == {ENTRIES}:
            packed = packed[ENTRIES]
        return {key: unpack(one, arrays) for key, one in packed.items()}
    if isinstance(packed, list):
        return [unpack(one, arrays) for one in packed]
    return packed
