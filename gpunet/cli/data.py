"""The data that a command line names: opened, split and classified."""

from __future__ import annotations

import difflib
import sys
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpunet as gn
from gpunet.cli.source import Examples, Source
from gpunet.datasets import Dataset
from gpunet.datasets.parquet_rows import is_large, load_parquet, why_whole
from gpunet.datasets.sparse_files import SVMLIGHT_SUFFIXES, is_svmlight_file
from gpunet.datasets.split import hold_out
from gpunet.datasets.table_files import STANDARD_INPUT, TABLE_SUFFIXES, is_table_file
from gpunet.tables import Table, Target

NAMED = ("digits", "mnist", "fashion", "needles")
ARRAY_SUFFIXES = (".npz", ".npy", *SVMLIGHT_SUFFIXES)
WORKBOOKS = (".xlsx", ".xls", ".ods")
UNBROKEN: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}  # paths
TABLE_OPTIONS = ("drop", "columns", "missing", "separator")
TEST_FRACTION = 0.2


class DataOptions(NamedTuple):
    """What a command line says about the data.

    Attributes
    ----------
    what : str
        One of `NAMED`, or the path of a file; "-" is a table on standard input.
    folder : Path or None
        ``--data``: the folder of mnist or fashion.
    target : str or None
        ``--target``: of a file.
    kind : str or None
        ``--kind``: of needles or a file.
    test_fraction : float or None
        ``--test-fraction``: of a file; None for the usual one.
    drop, columns, missing, separator : str or None
        Of a table (columns and missing also as a list); see `gpunet.datasets.read_table`.
    dtype : str
        Of arrays.
    inputs, first_feature : int or None
        Of a svmlight file: see `gpunet.datasets.load`.
    by_blocks : bool or None
        Whether a table is read block by block; False for an encoder, None if it is large.
    """

    what: str
    folder: Path | None = None
    target: str | None = None
    kind: str | None = None
    test_fraction: float | None = None
    drop: str | None = None
    columns: str | Sequence[str] | None = None
    missing: str | Sequence[str] | None = None
    separator: str | None = None
    dtype: str = "float32"
    inputs: int | None = None
    first_feature: int | None = None
    by_blocks: bool | None = None

    @property
    def held_out(self) -> float:
        """Fraction of the examples for the test set."""
        return TEST_FRACTION if self.test_fraction is None else self.test_fraction

    @classmethod
    def of(cls, options: Namespace, **changes: Any) -> DataOptions:
        """The options of a command that has some of these."""
        given = {name: getattr(options, name) for name in cls._fields if hasattr(options, name)}
        return cls(**{"folder": getattr(options, "data", None), **given, **changes})


def open_data(options: DataOptions) -> Source:
    """Read or generate the data, and split them.

    Raises
    ------
    ValueError
        If the name is unknown, or an option does not apply to these data.
    """
    check_options(options)
    what = options.what
    if is_table_file(what):
        if reads_by_blocks(options):
            return of_parquet(options)
        return of_table(read_table(options, target=target_of(options)), options.held_out)
    if what == "digits":
        return of_arrays(gn.datasets.digits())
    if what == "mnist":
        return of_arrays(gn.datasets.mnist(options.folder))
    if what == "fashion":
        return of_arrays(gn.datasets.fashion(options.folder))
    if what == "needles":
        return of_arrays(gn.datasets.needles(options.kind or "one"))
    return of_arrays(
        gn.datasets.load(
            what,
            target=options.target,
            kind=options.kind or "auto",
            test_fraction=options.held_out,
            dtype=options.dtype,
            inputs=options.inputs,
            first_feature=options.first_feature,
        ),
        options.kind,
    )


def target_of(options: DataOptions) -> str | int:
    """The target column of a table, the last one by default."""
    return -1 if options.target is None else options.target


def reads_by_blocks(options: DataOptions, *, targets: bool = True) -> bool:
    """Whether a table is read block by block; a large one that can't be is named on standard error.

    Raises
    ------
    ValueError
        If it has to be read so, and can't be.
    """
    what = options.what
    if what == STANDARD_INPUT or not Path(what).is_file():
        return False
    large = is_large(what)
    if not (options.by_blocks or large):
        return False
    why: str | None
    if options.by_blocks is False:
        why = "the network's encoder reads tables"
    elif options.missing is not None:
        why = "--missing is given"
    else:
        target = target_of(options) if targets else None
        why = why_whole(what, target, options.drop or (), options.columns)
    if why is None and options.separator is not None:
        raise ValueError(f"--separator goes with text files, and {what} is none: leave it out")
    if why is not None and options.by_blocks:
        raise ValueError(f"{what} was read block by block in training, and can't be now: {why}")
    if why is not None:
        print(
            f"gpunet: {what} is large, and is read into memory as a whole: {why}", file=sys.stderr, flush=True
        )
    return why is None


def of_parquet(options: DataOptions) -> Source:
    """A Parquet file of numbers that is read block by block."""
    dataset, target = load_parquet(
        options.what,
        target_of(options),
        drop=options.drop or (),
        columns=options.columns,
        kind=options.kind or "auto",
        test_fraction=options.held_out,
    )
    note = (
        "read block by block, because it is large; its last rows are the test set. If its rows are sorted, shuffle "
        f"them once: gpunet shuffle {options.what} OUT"
    )
    return of_arrays(dataset)._replace(unit=target, notes=(textwrap.fill(note, 80, **UNBROKEN),))


def check_options(options: DataOptions) -> None:
    """Raise a ValueError if the data are unknown, or an option does not apply to them."""
    what = options.what
    is_table = is_table_file(what)
    is_array = Path(what).suffix.lower() in ARRAY_SUFFIXES or is_svmlight_file(what)
    if what not in NAMED and not is_table and not is_array:
        near = difflib.get_close_matches(what.lower(), NAMED, 1)
        known = ", ".join((*TABLE_SUFFIXES, *ARRAY_SUFFIXES))
        raise ValueError(
            f"unknown data {what!r}: give {', '.join(NAMED)}, a file that ends in {known}, or - for a table on "
            f"standard input"
            + (f". Did you mean {near[0]!r}?" if near else "")
            + (". Save the sheet as CSV" if Path(what).suffix.lower() in WORKBOOKS else "")
        )
    if options.folder is not None and what not in ("mnist", "fashion"):
        hint = f"; a file needs no option: gpunet train {options.folder}" if options.folder.is_file() else ""
        raise ValueError(f"--data is the folder of mnist or fashion; {what} does not take it{hint}")
    if options.target is not None and what in NAMED:
        raise ValueError(f"--target applies to files only, not to {what}")
    if options.test_fraction is not None and what in NAMED:
        raise ValueError(f"--test-fraction applies to files only, not to {what}")
    if options.kind is not None and what in NAMED and what != "needles":
        raise ValueError(f"--kind applies to needles and files only, not to {what}")
    for name in TABLE_OPTIONS:
        if getattr(options, name) is not None and not is_table:
            raise ValueError(f"--{name} applies to tables only, not to {what}")


def read_table(options: DataOptions, target: str | int | None) -> Table:
    """The table that a command line names."""
    separator = options.separator
    return gn.datasets.read_table(
        options.what,
        target=target,
        drop=options.drop or (),
        columns=options.columns,
        missing=options.missing,
        separator={"tab": "\t", "\\t": "\t"}.get(separator or "", separator),
        kind=options.kind or "auto",
    )


def of_table(table: Table, test_fraction: float) -> Source:
    """A table with a target, split; stratified by class."""
    target = Target().fit(table)
    names = target.class_names
    train, test = hold_out(target.encode(table), test_fraction, 0)
    return Source(
        table.name,
        Examples(table.take(train)),
        None,
        Examples(table.take(test)),
        target.kind,
        len(names or "1"),
        class_names=names,
        unit=target.name,
        notes=tuple(table.describe()[1:]),
        target=target,
    )


def of_arrays(dataset: Dataset, asked: str | None = None) -> Source:
    """A data set of arrays, whose targets are of the kind that is asked for, if one is."""
    kind = target_kind(dataset, asked)
    one_hot = dataset.y.ndim == 2
    validation = None if dataset.X_val is None else Examples(dataset.X_val, dataset.y_val)
    return Source(
        dataset.name,
        Examples(dataset.X, dataset.y),
        validation,
        Examples(dataset.X_test, dataset.y_test),
        kind,
        dataset.y.shape[1] if one_hot else len(dataset.class_names or ()),
        one_hot,
        dataset.class_names,
        dataset.image_shape,
        notes=dataset.notes,
        first_feature=dataset.first_feature,
    )


def target_kind(dataset: Dataset, asked: str | None = None) -> str:
    """Kind of the targets: "classes" (exclusive), "labels" (several at once) or "values" (real numbers).

    Of rows of numbers, what is `asked` for comes first: "values" may be 0 and 1 alone.

    Raises
    ------
    ValueError
        If rows of named labels are asked for as values.
    """
    if asked == "values" and dataset.y.ndim == 2:
        if dataset.class_names is not None:
            raise ValueError(
                f"--kind values: {dataset.name} has labels, several an example; leave --kind out"
            )
        return "values"
    y = np.concatenate([dataset.y, dataset.y_test])
    if y.ndim == 1:
        return "classes"
    if (y.shape[1] == 1 and dataset.class_names is None) or not np.isin(y, (0, 1)).all():
        return "values"
    return "classes" if (y.sum(axis=1) == 1).all() and dataset.class_names is None else "labels"


def class_numbers(source: Source, y: Any, names: list[str], where: str) -> Any:
    """Class numbers, or columns of labels, `y` of a data set of arrays, renumbered to the network's class names.

    Raises
    ------
    ValueError
        If the network was not trained on one of the classes.
    """
    if source.class_names is None or y is None or list(source.class_names) == names:
        return y
    unknown = [name for name in source.class_names if name not in names]
    if unknown:
        raise ValueError(
            f"{where} has the class {unknown[0]!r}, which the network was not trained on; its classes are "
            f"{', '.join(names)}"
        )
    numbers = np.array([names.index(name) for name in source.class_names])
    if y.ndim == 1:
        return numbers[y]
    columns = np.zeros((len(y), len(names)), y.dtype)
    columns[:, numbers] = y
    return columns
