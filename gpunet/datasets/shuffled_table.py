"""The rows of a Parquet file in random order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gpunet.datasets.piles import ROWS, Piles
from gpunet.inputs.blocks.parquet import open_parquet, pyarrow
from gpunet.tables.libraries import polars

GROUP = 2**15  # rows of a row group that is written: each is read as a whole in training


def shuffle_table(
    source: Path, out: BinaryIO, seed: int, folder: Path
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Write the shuffled rows of `source` to an empty file; piles go to files in `folder`, which are removed.

    Returns
    -------
    read, written : tuple of int
        Rows, and their hash, of what was read, and of what stands in the file then.
    """
    parquet, file = pyarrow(), open_parquet(source)
    m, schema = file.metadata.num_rows, file.schema_arrow
    if not m:
        raise ValueError(f"{source} has no rows")
    for column in schema:
        if "decimal256" in str(column.type):
            raise ValueError(
                f"{source}: the column {column.name!r} has the type {column.type}, which Polars does not read: write "
                "it as decimal128 or float64"
            )
    piles = Piles(m, seed)
    read = [0, 0]
    with tempfile.TemporaryDirectory(prefix=".gpunet-shuffle-", dir=folder) as place:
        paths = [Path(place) / f"{pile}.parquet" for pile in range(piles.count)]
        writers = [parquet.ParquetWriter(path, schema) for path in paths]
        try:
            batches = iter(file.iter_batches(batch_size=ROWS))
            waiting: list[Any] = []

            def sizes() -> Any:
                for batch in batches:
                    waiting.append(batch)
                    yield batch.num_rows

            for chosen in piles.choices(sizes()):
                table = _table(waiting.pop())
                read = [read[0] + len(table), read[1] + _hash(table)]
                for pile in np.unique(chosen).tolist():
                    writers[pile].write_table(table.filter(chosen == pile))
        finally:
            for writer in writers:
                writer.close()
        with parquet.ParquetWriter(out, schema) as whole:
            for pile, path in enumerate(paths):
                table = parquet.read_table(path)
                whole.write_table(table.take(piles.order(pile, len(table))), row_group_size=GROUP)
                path.unlink()
    written = [0, 0]
    out.seek(0)
    for batch in parquet.ParquetFile(out).iter_batches(batch_size=ROWS):
        written = [written[0] + batch.num_rows, written[1] + _hash(_table(batch))]
    return (read[0], read[1] % 2**64), (written[0], written[1] % 2**64)


def _table(batch: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches([batch])


def _hash(table: Any) -> int:
    """The sum of a hash of each row."""
    hashes = polars().from_arrow(table).hash_rows(seed=0).to_numpy()
    return int(hashes.sum(dtype=np.uint64))
