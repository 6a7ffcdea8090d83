"""``gpunet info``: versions, backends and devices."""

from __future__ import annotations

import platform
import textwrap
from argparse import Namespace

import numpy as np

import gpunet as gn


def info(options: Namespace) -> None:
    """Print versions and backends: the devices of the usable ones, and what to install for the others."""
    print(f"gpunet {gn.__version__}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{platform.system()} {platform.machine()}\n")
    print("backends")
    for row in gn.list_backends():
        state = f"usable on {', '.join(row.devices)}" if row.usable else "not usable here"
        print(f"  {row.name:<10}{state}")
        for line in _details(row.name) if row.usable else [row.reason]:
            print(textwrap.fill(line, 80, initial_indent=" " * 12, subsequent_indent=" " * 12))
    print(f"\ndefault backend: {gn.get_backend().name}")


def _details(name: str) -> list[str]:
    try:
        return gn.get_backend(name).details()
    except Exception as error:  # somebody else's broken package must not hide the others
        return [f"its details can't be listed: {type(error).__name__}: {error}"]
