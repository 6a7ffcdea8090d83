"""The libraries that read tables, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from gpunet.installation import install_command


def polars() -> Any:
    """The module `polars`."""
    return _import("polars")


def narwhals() -> Any:
    """The module `narwhals`."""
    return _import("narwhals")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"tables are read with {name}, which is not installed; install it with: {install_command('tables')}"
        ) from error
