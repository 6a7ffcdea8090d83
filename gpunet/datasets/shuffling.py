"""Shuffling the rows of a file once, however large it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gpunet.core.checks import not_negative_int
from gpunet.datasets.shuffled_array import shuffle_array
from gpunet.datasets.shuffled_table import shuffle_table
from gpunet.files.atomic import is_special, real_path, replaced
from gpunet.paths import file_path

ENDINGS = (".npy", ".parquet")


class Shuffled(NamedTuple):
    """What was written, and read again.

    Attributes
    ----------
    rows : int
    hash : int
        Of the rows, in any order.
    """

    rows: int
    hash: int


def shuffle(source: str | os.PathLike[str], out: str | os.PathLike[str], *, seed: int = 0) -> Shuffled:
    """Write the rows of a file in random order, to a file of the same kind.

    Training on a file that is read block by block mixes rows within some blocks at a time: rows that are sorted, by
    class for instance, are better shuffled before, once. Memory holds some 65,000 rows at a time. The order depends on
    the seed and the number of rows alone: X and y in two files stay beside one another with the same seed.

    Parameters
    ----------
    source : path
        ``.npy``, whose first axis counts the rows, or ``.parquet``, which needs the packages pyarrow and polars.
    out : path
        Written whole or not at all. The disk needs room for it, and for Parquet twice that.
    seed : int

    Returns
    -------
    Shuffled
        Rows and their hash; both were the same in what was read and in what was written.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        For another kind of file, one that is damaged, and if the source changes while it is read.
    OSError
        If the result can't be written; what stood there is as it was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import gpunet as gn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/sorted.npy", np.arange(10))
    ...     done = gn.datasets.shuffle(f"{folder}/sorted.npy", f"{folder}/mixed.npy")
    ...     mixed = np.load(f"{folder}/mixed.npy")
    >>> done.rows, sorted(mixed.tolist()) == list(range(10))
    (10, True)
    """
    source, out = file_path("source", source).expanduser(), file_path("out", out).expanduser()
    not_negative_int("seed", seed)
    ending = source.suffix.lower()
    if ending not in ENDINGS or out.suffix.lower() != ending:
        raise ValueError(
            f"expected two files that end in {' or '.join(ENDINGS)}, both alike; got {source} and {out}"
        )
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not a file; check the path (now in {Path.cwd()})")
    if is_special(out):
        raise ValueError(f"{out} is no file that can be read again: give the path of one")
    out = real_path(out)
    with replaced(out) as file:
        if ending == ".npy":
            read, written = shuffle_array(source, file, seed)
        else:
            read, written = shuffle_table(source, file, seed, out.parent)
        if read != written:
            raise ValueError(
                f"{source} and what was written differ ({read[0]:,} and {written[0]:,} rows; hashes {read[1]:016x} and "
                f"{written[1]:016x}): the disk or the file is at fault, nothing was kept"
            )
    return Shuffled(*written)
