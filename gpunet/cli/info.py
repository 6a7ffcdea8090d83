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
        details = gn.get_backend(row.name).details() if row.usable else [row.reason]
        for line in details:
            print(textwrap.fill(line, 80, initial_indent=" " * 12, subsequent_indent=" " * 12))
    print(f"\ndefault backend: {gn.get_backend().name}")
