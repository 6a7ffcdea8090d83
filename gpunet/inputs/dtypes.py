"""The names of dtypes, which every library writes in its own way."""

from __future__ import annotations

from typing import Any


def dtype_name(array: Any) -> str:
    """The name of an array's dtype, such as "float32" for ``torch.float32``; "" for what has none."""
    return str(getattr(array, "dtype", "")).rpartition(".")[2]
