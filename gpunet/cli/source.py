"""Examples for training and test, whatever they were read from."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import gpunet as gn
from gpunet.inputs.blocks.opened import is_read_by_blocks
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.fit_data import split_rows
from gpunet.tables import Table, Target


class Examples(NamedTuple):
    """Rows and targets; a Table has its targets with it, y is None then."""

    X: Any
    y: Any = None

    @property
    def m(self) -> int:
        """How many there are."""
        return len(self.X) if isinstance(self.X, Table) else int(self.X.shape[0])

    def take(self, rows: Any) -> Examples:
        """The examples of some rows."""
        if isinstance(self.X, Table):
            return Examples(self.X.take(rows))
        if isinstance(self.X, Sliced):
            first, last, _ = rows.indices(len(self.X))
            return Examples(PartOfRows(self.X, first, last), self.y[rows])
        return Examples(self.X[rows], self.y[rows])


class Source(NamedTuple):
    """Examples for training and test, and what their targets are.

    Attributes
    ----------
    name : str
    training, test : Examples
    validation : Examples or None
    kind : {"classes", "labels", "values"}
        Of the targets: exclusive classes, several labels at once, or real numbers.
    outputs : int
        Number of classes, or columns of the targets.
    one_hot : bool
        Whether classes are written as rows.
    class_names : tuple of str or None
    image_shape : tuple of int or None
    unit : str
        Name of the target.
    notes : tuple of str
        What was left out.
    target : Target or None
        Of a table.
    first_feature : int or None
        Of a svmlight file.
    """

    name: str
    training: Examples
    validation: Examples | None
    test: Examples
    kind: str
    outputs: int
    one_hot: bool = False
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    unit: str = "y"
    notes: tuple[str, ...] = ()
    target: Target | None = None
    first_feature: int | None = None

    @property
    def is_table(self) -> bool:
        """Whether the examples are Tables."""
        return isinstance(self.training.X, Table)

    def with_validation(self, fraction: float, seed: int, dtype: str = "float32") -> Source:
        """Hold out a part of the training examples, as ``fit`` does, if there is no validation set yet.

        Of a file that is read block by block it is the last rows: a random choice would be a copy in memory.
        """
        if self.validation is not None or not fraction:
            return self
        training: Any
        held: Any
        training, held = split_rows(self.training.m, fraction, seed)
        if is_read_by_blocks(self.training.X, dtype):
            training, held = slice(len(training)), slice(len(training), None)
        return self._replace(training=self.training.take(training), validation=self.training.take(held))


def describe(source: Source, network: gn.Network) -> str:
    """Name, sizes, features and targets of the data: for a table, what its columns were understood as."""
    parts = [f"{source.training.m:,} training examples"]
    if source.validation is not None:
        parts.append(f"{source.validation.m:,} for validation")
    head = f"{source.name}: {', '.join([*parts, f'{source.test.m:,} test examples'])}"
    if network.encoder is not None and source.target is not None:
        lines = [*source.notes, *network.encoder.describe(), source.target.describe()]
        return "\n".join([head, *(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)])
    shape, names = source.image_shape, source.class_names
    features = f"{source.training.X.shape[1]:,} features"
    if shape is not None:
        features = f"images of {' × '.join(map(str, shape))} pixels"
    if names:
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        targets = f"{len(names)} {source.kind}: {listed}"
    elif source.kind == "values":
        targets = "1 value" if source.outputs == 1 else f"{source.outputs} values"
    else:
        targets = f"{source.outputs} {source.kind}"
    return "\n".join([head, f"{features}; {targets}", *source.notes])
