"""Tables, DataFrames and targets in words: to arrays, by the names of columns and classes."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gpunet.core.layers import Dense
from gpunet.devices.registry import backend_of
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Blocks
from gpunet.inputs.blocks.encoded import EncodedRows
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.columns import column_names, ignore, in_order
from gpunet.inputs.fit_data import FitArrays, split_rows
from gpunet.inputs.missing_targets import fit_rows, is_rows, row_count
from gpunet.inputs.table_forms import is_frame, is_table

if TYPE_CHECKING:  # they cost time to import, and most networks are given arrays
    from gpunet.tables import Table, TableEncoder, Target

_LISTED = 8


def require_encoder(name: str, encoder: Any) -> None:
    """Raise a TypeError for what is no :class:`gpunet.TableEncoder`, such as the class itself."""
    from gpunet.tables import TableEncoder

    if not isinstance(encoder, TableEncoder):
        raise TypeError(f"{name} must be an object such as TableEncoder(), got {encoder!r}")


class Tabular(NamedTuple):
    """What a network knows of the columns and the targets that it is given.

    Attributes
    ----------
    encoder : TableEncoder or None
        Turns tables into inputs; fitted by the first ``fit``.
    target : Target or None
        Turns words into class numbers, and standardises values.
    columns : tuple of str or None
        Without an encoder: the column names of the first DataFrame.
    """

    encoder: TableEncoder | None = None
    target: Target | None = None
    columns: tuple[str, ...] | None = None

    def rows(self, name: str, X: Any, dtype: str) -> Any:
        """X as an array: a table encoded, a DataFrame's columns in the order of training, anything else as it is.

        Raises
        ------
        ValueError
            If columns are missing or share a name, or a cell can't be read.
        TypeError
            For a Table without an encoder, and an array with one.
        """
        if self.encoder is not None:
            table = _table(name, X)
            inputs = self.encoder.transform(table, dtype)
            ignore(name, self.extra_columns(table))
            return inputs
        if is_table(X):
            raise TypeError(
                f"{name} is a Table: give the Network encoder=gpunet.TableEncoder(), or use for_table"
            )
        return in_order(name, X, self.columns)

    def targets(self, name: str, X: Any, y: Any) -> Any:
        """Y as an array: class numbers for words, standardised values; y of a Table are its labels.

        Raises
        ------
        TypeError
            If there is no y.
        ValueError
            If a target is missing, or a class was not among those of training.
        """
        if y is None:
            if isinstance(X, Blocks) and X.has_targets:
                return None  # read with the inputs
            if not is_table(X) or X.labels is None:
                raise TypeError(
                    f"{name} is missing: give targets, or a Table with a target as X; of Parquet files y is the name "
                    "of a column"
                )
            y = X
        if self.target is None or is_rows(y):
            return y
        if isinstance(y, Sliced):
            return EncodedRows(y, self.target)
        numbers = self.target.encode(y)
        # They are of no library of their own: beside arrays of another one than NumPy they are a list.
        source = backend_of(X)
        return numbers if source is None or source.name == "numpy" else numbers.tolist()

    def examples(self, prefix: str, X: Any, y: Any, dtype: str) -> tuple[Any, Any]:
        """X and y as arrays, or blocks that bring theirs with them; see :meth:`rows` and :meth:`targets`.

        `prefix` stands before the names X and y in messages.
        """
        rows, numbers = self.rows(f"{prefix}X", X, dtype), self.targets(f"{prefix}y", X, y)
        if isinstance(rows, Blocks) and self.target is not None:
            rows = rows.encoding(self.target)
        return rows, numbers

    def with_columns_of(self, X: Any) -> Tabular:
        """The same, which knows the columns of blocks that have been read."""
        if self.encoder is not None or self.columns is not None:
            return self
        return self._replace(columns=column_names("X", X))

    def extra_columns(self, table: Table) -> list[str]:
        """Columns of a table that the encoder was not trained on; the target's is none of them."""
        assert self.encoder is not None
        return [column for column in self.encoder.extra_columns(table) if column != self.target_name]

    @property
    def target_name(self) -> str | None:
        """Name of the target column."""
        return None if self.target is None else self.target.name

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, in the order of their numbers."""
        return None if self.target is None else self.target.class_names

    def values(self, rows: Any) -> Any:
        """Values ``(m, k)`` that the network is trained on, or predicts, in the target's own unit."""
        return rows if self.target is None else self.target.decode(rows)

    def loss(self, value: float, loss: str) -> float:
        """A loss in the target's own unit."""
        return value if self.target is None else self.target.loss_in_own_unit(value, loss)


def encoded(
    tabular: Tabular, arrays: FitArrays, dtype: str, output: Dense, seed: int
) -> tuple[FitArrays, Tabular]:
    """What ``fit`` was given as arrays, and what was learned of its columns and targets.

    Rows whose target is missing are left out. Encoder and target learn from the training part alone. Nothing is
    changed in place.

    Parameters
    ----------
    tabular : Tabular
        What is known so far.
    arrays : FitArrays
    dtype : str
        Of the encoded inputs.
    output : Dense
        The output layer: it says whether targets are classes or values.
    seed : int
        Of the split into training and validation part.
    """
    arrays = fit_rows(tabular.target, arrays)
    X, y = arrays.X, arrays.y
    _require_no_target_in(X, y)
    data = None if arrays.validation_data is None else arrays.validation_pair()
    if tabular.encoder is not None:
        X = _table("X", X)
        if not tabular.encoder.fitted:
            encoder = copy.deepcopy(tabular.encoder).fit(X if data else _training_part(X, arrays, seed))
            tabular = tabular._replace(encoder=encoder)
    elif tabular.columns is None:
        tabular = tabular._replace(columns=column_names("X", X))
    if tabular.target is None:
        tabular = tabular._replace(target=_fitted_target(tabular, X, y, arrays, output, seed))
    if tabular.class_names is not None:
        _require_units(tabular, output)
    rows, numbers = tabular.examples("", X, y, dtype)
    result = arrays._replace(X=rows, y=numbers)
    if data is not None:
        X_val, y_val, *weights = data
        pair = tabular.examples("validation ", X_val, y_val, dtype)
        result = result._replace(validation_data=(*pair, *weights))
    if isinstance(arrays.class_weight, dict) and tabular.class_names is not None:
        result = result._replace(class_weight=_by_number(arrays.class_weight, tabular.class_names))
    return result, tabular


def _require_no_target_in(X: Any, y: Any) -> None:
    """Raise a ValueError if a DataFrame still has the column that the targets were taken from: it would be copied."""
    name = getattr(y, "name", None)
    if name is None or is_table(X) or not is_frame(X):
        return
    from gpunet.tables.frames import names_of

    if name in names_of(X) and np.array_equal(np.asarray(X[name]), np.asarray(y)):
        raise ValueError(
            f"X has the column {name!r}, and y is that column: a network would learn to copy it. Leave it out of X, as "
            f"X.drop(columns=[{name!r}]) does"
        )


def _table(name: str, X: Any) -> Table:
    from gpunet.tables.frames import is_readable
    from gpunet.tables.table import as_table

    if not is_table(X) and not is_readable(X):
        raise TypeError(
            f"{name} must be a Table, a DataFrame or a dict of columns, whose names the network's encoder reads; got "
            f"{type(X).__name__}"
        )
    return as_table(X)


def _training_part(table: Table, arrays: FitArrays, seed: int) -> Table:
    """The rows that ``fit`` will train on."""
    if not arrays.validation_fraction:
        return table
    return table.take(split_rows(len(table), arrays.validation_fraction, seed)[0])


def _fitted_target(
    tabular: Tabular, X: Any, y: Any, arrays: FitArrays, output: Dense, seed: int
) -> Target | None:
    """The target that y needs: one of classes for words, and one of classes or values beside an encoder."""
    if y is None:
        if tabular.targets("y", X, y) is None:  # raises if X has no target either
            return None
        y = X
    elif isinstance(y, Sliced) or is_rows(y) or (tabular.encoder is None and not _are_words(y)):
        return None  # numbers that say what they are
    from gpunet.tables.target import Target

    training = None
    if arrays.validation_fraction and arrays.validation_data is None:
        training = split_rows(row_count(X), arrays.validation_fraction, seed)[0]
    kind = _kind_of(output)
    try:
        target = Target(kind).fit(y, training=training)
    except ValueError as error:
        if kind != "values":
            raise
        raise ValueError(
            f"{error}. The last layer, {output.activation}, has values as targets: words are classes, for "
            "Dense(number of classes, 'softmax')"
        ) from None
    if target.class_names is None and output.activation != "identity":
        target.center, target.scale = 0.0, 1.0  # the output's range is fixed
    return target


def _kind_of(output: Dense) -> str:
    """Whether an output layer is for classes or for values."""
    if output.units > 1 or output.activation == "softmax":
        return "classes"
    return "auto" if output.activation == "sigmoid" else "values"


def _require_units(tabular: Tabular, output: Dense) -> None:
    names = tabular.class_names or ()
    if output.units == len(names) or (output.units == 1 and len(names) == 2):
        return
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    raise ValueError(
        f"the target {tabular.target_name!r} has {len(names)} classes ({listed}), the last layer has {output.units} "
        f"units: give it {len(names)}, or use Network.for_table"
    )


def _by_number(class_weight: dict[Any, Any], names: tuple[str, ...]) -> dict[Any, Any]:
    """Weights by the numbers of classes. Keys are names, as text or as the numbers that are written so.

    Where no class is called by a number, a number is that of a class.
    """
    from gpunet.tables.class_names import canonical, number_key

    numbers = {canonical(name): k for k, name in enumerate(names)}
    has_numbers = any(number_key(name)[0] < math.inf for name in names)
    weights = {}
    for key, weight in class_weight.items():
        number = numbers.get(canonical(str(key)))
        if number is None:
            if isinstance(key, str) or has_numbers:
                raise ValueError(f"class_weight names class {key!r}; classes are {', '.join(names)}")
            number = key
        if number in weights:
            raise ValueError(f"class_weight names a class twice, the second time as {key!r}")
        weights[number] = weight
    return weights


def _are_words(y: Any) -> bool:
    if backend_of(y) is not None and not isinstance(y, np.ndarray):
        return False
    try:
        values = from_lists("y", y)
    except (ValueError, TypeError):
        return False  # reported when the targets are checked
    if values.dtype.kind == "O":
        return any(isinstance(value, str) for value in values.reshape(-1))
    return values.dtype.kind in "UT"
