"""``gpunet shuffle``: the rows of a file in random order."""

from __future__ import annotations

from argparse import Namespace

import gpunet as gn


def shuffle(options: Namespace) -> None:
    """Write the shuffled file, and say what was checked."""
    done = gn.datasets.shuffle(options.file, options.out, seed=options.seed)
    print(
        f"saved: {options.out}: {done.rows:,} rows, as many as in {options.file}, with the same hash {done.hash:016x}"
    )
