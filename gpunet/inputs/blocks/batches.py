"""Record batches of Arrow datasets and of Polars' lazy frames, as pieces of examples."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.table_columns import features_and_more, present


def is_lazy_table(X: Any) -> bool:
    """Whether X is a ``pyarrow.dataset.Dataset`` or a ``polars.LazyFrame``; neither if nobody has imported them."""
    return any(
        module is not None and isinstance(X, getattr(module, kind))
        for module, kind in (
            (sys.modules.get("pyarrow.dataset"), "Dataset"),
            (sys.modules.get("polars"), "LazyFrame"),
        )
    )


class TableBlocks(IteratedBlocks):
    """Blocks of a lazy table, whose columns are known by their names.

    Parameters
    ----------
    name : str
        Of X, in messages.
    table : pyarrow.dataset.Dataset or polars.LazyFrame
    y : str
        Name of the target column.
    sample_weight : str or None
        Name of the column of weights.

    Raises
    ------
    TypeError, ValueError
        If y is no name of a column.
    """

    def __init__(self, name: str, table: Any, y: Any, sample_weight: Any) -> None:
        super().__init__(name, self._batches)
        if y is None:
            raise TypeError(
                f"y must be the name of a column of {name}, got None: {name} is read with its targets. To predict, "
                "give the rows in memory, as dataset.to_table() or frame.collect() returns them"
            )
        self.table = table
        self.features, self.others = features_and_more(name, names_of_lazy(table), y, sample_weight)

    @property
    def column_names(self) -> tuple[str, ...]:
        """See :class:`gpunet.inputs.blocks.blocks.Blocks`."""
        return tuple(self.features)

    def expecting(self, columns: tuple[str, ...] | None) -> TableBlocks:
        """See :class:`gpunet.inputs.blocks.blocks.Blocks`; the names are known."""
        return self

    def select(self, columns: Sequence[str]) -> TableBlocks:
        """The same with these columns, in this order; no others are read."""
        selected = copy.copy(self)
        selected.features = list(columns)
        selected.source = selected._batches
        return selected

    def _batches(self) -> Iterator[tuple[Any, ...]]:
        first = 0
        for batch in _record_batches(self.table, [*self.features, *self.others]):
            others = [present(self.name, name, np.asarray(batch[name]), first) for name in self.others]
            if len(others[0]):
                rows = np.stack([np.asarray(batch[name]) for name in self.features], axis=1)
                yield (rows, *others)
            first += len(others[0])


def names_of_lazy(table: Any) -> list[str]:
    """The names of a lazy table's columns."""
    return list(table.schema.names if hasattr(table, "to_batches") else table.collect_schema().names())


def in_memory(table: Any) -> Any:
    """All of a lazy table: a table of PyArrow, or a DataFrame of Polars."""
    return table.to_table() if hasattr(table, "to_table") else table.collect()


def _record_batches(table: Any, columns: list[str]) -> Iterator[Any]:
    """Some columns of a lazy table, a batch of rows at a time."""
    if not hasattr(table, "to_batches"):
        yield from table.select(columns).collect_batches()
        return
    # PyArrow would read many row groups ahead, and keep them.
    options: dict[str, Any] = {"batch_readahead": 0, "fragment_readahead": 0}
    if getattr(getattr(table, "format", None), "default_extname", None) == "parquet":
        scan = sys.modules["pyarrow.dataset"].ParquetFragmentScanOptions(pre_buffer=False)
        options["fragment_scan_options"] = scan
    yield from table.to_batches(columns=columns, **options)
