"""The target column: classes by name, or values in their own unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import finite_number, known_name
from gpunet.tables import scaling, stored
from gpunet.tables.class_names import canonical, class_names
from gpunet.tables.frames import names_of
from gpunet.tables.missing import MISSING
from gpunet.tables.numerals import is_number
from gpunet.tables.reading import Misread, Reading
from gpunet.tables.table import Table
from gpunet.tables.target_cells import SeriesCells, TargetCells, target_cells

TARGET_KINDS = ("auto", "classes", "values")
MOST_CLASSES = 30
ROWS_PER_CLASS = 4


class Target:
    """What the target column means, learned once: classes with names, or values with a unit.

    One rule for files, DataFrames and arrays. Missing cells do not count. Then a target is **classes** if it is

    - words, categories or booleans; or codes such as 02139;
    - whole numbers (7, or 7.0), at most 30 different ones, and two of them only or at least four rows for each.

    Other numbers are **values**. `kind` overrides the rule.

    Class names are kept as they are written (02139, 1E2, integers of any size); whole numbers of a float column are
    written without a point. Classes are numbered from 0: numbers by size, words in alphabetical order.

    Parameters
    ----------
    kind : {"auto", "classes", "values"}
        What the target is.

    Attributes
    ----------
    kind : str
        "classes" or "values", once fitted.
    name : str
        The column's name, which is also the unit of values.
    class_names : tuple of str or None
        Of classes.
    center, scale : float
        Of values: mean and deviation of the training part.

    Examples
    --------
    >>> target = Target().fit(["cat", "dog", "cat"])
    >>> target.class_names, target.encode(["dog", "cat"]).tolist()
    (('cat', 'dog'), [1, 0])
    >>> target.decode([[0.9, 0.1], [0.2, 0.8]]).tolist()
    ['cat', 'dog']
    """

    def __init__(self, kind: str = "auto") -> None:
        self.kind = known_name("kind of target", kind, TARGET_KINDS)
        self.name = "target"
        self.class_names: tuple[str, ...] | None = None
        self.center, self.scale = 0.0, 1.0
        self._reading = Reading("empty")

    def fit(
        self, data: Any, *, training: NDArray[Any] | None = None, missing: tuple[str, ...] = MISSING
    ) -> Target:
        """Decide on classes or values, and learn their names, or their mean and deviation.

        Parameters
        ----------
        data : Table with labels, Series of any library, array or list (m,) or (m, 1)
            All targets. Missing ones are ignored. Where a Table's rows were taken from another (`Table.take`), kind and
            class names come from all rows of that, mean and deviation from these.
        training : array of int or bool, optional
            The rows that mean and deviation are taken from; all if left out. Class names come from all rows.
        missing : tuple of str
            The words that mean "missing"; a Table brings its own.

        Returns
        -------
        Target
            Itself.

        Raises
        ------
        ValueError
            If no target is left, there is one class only, or the targets are neither classes nor values.
        """
        cells, decimal, table = self._cells(data)
        self.name = cells.name
        if table is not None:
            missing = table.missing
            if self.kind == "auto":
                self.kind = table.kind
        everywhere = cells
        if table is not None and table.whole.labels is not None:
            everywhere = SeriesCells(self.name, table.whole.labels)
        reading = everywhere.read(missing, decimal)
        self._require_usable(reading, everywhere)
        kind = self.kind if self.kind != "auto" else self._guess(reading, everywhere)
        if kind == "classes":
            self._reading = Reading("category", reading.missing, reading.written)
            self.class_names = self._names(reading, everywhere)
        else:
            if reading.kind not in ("number", "boolean"):
                raise ValueError(self._not_values(reading, everywhere, decimal))
            self._reading = reading
            values = cells.numbers(reading, decimal)
            self._require_finite(cells, values)
            values = values if training is None else values[np.asarray(training)]
            values = values[~np.isnan(values)]
            if len(values):
                self.center, scale = scaling.moments(values)
                self.scale = scale or 1.0
        self.kind = kind
        return self

    def is_missing(self, data: Any) -> NDArray[np.bool_]:
        """Which targets are missing."""
        self._require_fitted()
        cells, _, _ = self._cells(data)
        return cells.missing(self._reading.missing)

    def encode(self, data: Any) -> NDArray[Any]:
        """Targets to train or to test on.

        Parameters
        ----------
        data : Table with labels, Series of any library, array or list (m,) or (m, 1)

        Returns
        -------
        array
            Classes: int64 ``(m,)``, numbered as in `class_names`. Values: float64 ``(m, 1)``, ``(y − center) / scale``.

        Raises
        ------
        ValueError
            If a target is missing, or a class was not among those of training.
        """
        self._require_fitted()
        cells, decimal, table = self._cells(data)
        missing = cells.missing(self._reading.missing)
        if missing.any():
            row = int(np.argmax(missing))
            where = f"row {row} (counted from 0)" if table is None else table.place(row, cells.name)
            raise ValueError(
                f"{where}: expected a target, got a missing one ({int(missing.sum())} of {len(missing)} are); leave "
                "these rows out"
            )
        if self.class_names is None:
            try:
                values = cells.numbers(self._reading, decimal)
            except Misread as error:
                where = f"row {error.row}" if table is None else table.place(error.row, cells.name)
                raise ValueError(f"{where}: {error}") from None
            self._require_finite(cells, values)
            return scaling.scaled(values, self.center, self.scale)[:, None]
        return self._class_numbers(cells, table)

    def decode(self, outputs: Any) -> NDArray[Any]:
        """Outputs of a network as words, or as values in their own unit.

        Parameters
        ----------
        outputs : array, shape (m, k), or (m,)
            Classes: probabilities per class ``(m, k)``, the probability of the second of two classes ``(m, 1)``, which
            is predicted above ½, or class numbers ``(m,)`` of an integer type. Values: ``(m, 1)`` or ``(m,)``, in
            units of the deviation.

        Returns
        -------
        array, shape (m,)
            Text; or float64.
        """
        self._require_fitted()
        A = np.asarray(outputs)
        if self.class_names is None:
            return A.astype(np.float64).reshape(len(A)) * self.scale + self.center
        names: NDArray[np.str_] = np.array(self.class_names)
        if A.ndim == 1 and A.dtype.kind in "iu":
            return np.take(names, A)
        A = A[:, None] if A.ndim == 1 else A
        two = A.shape[1] == 1 and len(names) == 2
        if not two and A.shape[1] != len(names):
            raise ValueError(f"expected outputs for {len(names)} classes, got {A.shape[1]} per row")
        numbers = (A[:, 0] > 0.5).astype(np.intp) if two else A.argmax(axis=1)
        return np.take(names, numbers)

    def loss_in_own_unit(self, value: float, loss: str) -> float:
        """A loss of standardised values as the loss of the values themselves.

        Parameters
        ----------
        value : float
            "squared_error" in units of the squared deviation, "absolute_error" in units of the deviation.
        loss : str
            The loss's name; other losses have no unit and are returned as they are.
        """
        self._require_fitted()
        power = {"squared_error": 2, "absolute_error": 1}.get(loss, 0)
        return value * self.scale**power if self.class_names is None else value

    def unit(self, loss: str) -> str:
        """The unit of a loss: "price" (absolute_error), "price²" (squared_error), or "" if it has none."""
        self._require_fitted()
        if self.class_names is not None:
            return ""
        return {"squared_error": f"{self.name}²", "absolute_error": self.name}.get(loss, "")

    def describe(self) -> str:
        """What was understood, in a line."""
        self._require_fitted()
        if self.class_names is None:
            return f"target: {self.name}, values (mean {self.center:.6g}, deviation {self.scale:.6g})"
        names = self.class_names
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        return f"target: {self.name}, {len(names)} classes ({listed})"

    def to_state(self) -> dict[str, Any]:
        """All that was learned, as JSON holds it (floats come back bit for bit)."""
        self._require_fitted()
        return {
            "kind": self.kind,
            "name": self.name,
            "class_names": None if self.class_names is None else list(self.class_names),
            "center": self.center,
            "scale": self.scale,
            "reading": self._reading.to_state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Target:
        """The target that `to_state` described."""
        target = cls(state["kind"])
        target._load(state)
        return target

    def __repr__(self) -> str:
        return f"<Target {self.name}: {self.kind}>"

    def _require_fitted(self) -> None:
        if self._reading.kind == "empty":
            raise ValueError("this Target knows no targets yet; call fit first")

    def _load(self, state: dict[str, Any]) -> None:
        names = state["class_names"]
        self.name = stored.text("the target's name", state["name"])
        self.class_names = None if names is None else stored.texts("class names", names)
        if (names is not None) != (self.kind == "classes"):
            raise ValueError(f"a target of kind {self.kind!r} with class names {names!r}")
        self.center = finite_number("center", state["center"])
        self.scale = finite_number("scale", state["scale"], 0.0, strict=True)
        self._reading = Reading.from_state(state["reading"])

    def _cells(self, data: Any) -> tuple[TargetCells, str, Table | None]:
        """The cells, the decimal mark, and the Table that they are of."""
        if isinstance(data, Table):
            if data.labels is None:
                raise ValueError(f"{data.name} has no target; name one in read_table(..., target=...)")
            return SeriesCells(str(data.labels.name), data.labels), data.decimal, data
        shape: Any = getattr(data, "shape", ())
        if len(shape) == 2 and shape[1] == 1 and hasattr(data, "reshape"):
            data = data.reshape(-1)
        elif len(shape) == 2 and shape[1] == 1 and hasattr(data, "columns"):  # a DataFrame of one column
            data = data[names_of(data)[0]]
        elif isinstance(data, list | tuple) and all(isinstance(row, list) and len(row) == 1 for row in data):
            data = [row[0] for row in data]
        name = getattr(data, "name", None)
        return target_cells(self.name if name in (None, "") else str(name), data), "", None

    @staticmethod
    def _guess(reading: Reading, cells: TargetCells) -> str:
        if reading.kind != "number":
            return "classes"
        if not cells.are_whole(reading):
            return "values"
        texts, positions = cells.texts(reading.missing)
        different, present = len(set(map(canonical, texts))), int((positions >= 0).sum())
        few = different <= 2 or different <= min(MOST_CLASSES, present / ROWS_PER_CLASS)
        return "classes" if few else "values"

    def _names(self, reading: Reading, cells: TargetCells) -> tuple[str, ...]:
        """Class names in order, as they are written."""
        texts, positions = cells.texts(reading.missing)
        names = class_names(texts, numbers=reading.kind == "number")
        present = int((positions >= 0).sum())
        if self.kind == "auto" and len(names) > MOST_CLASSES and self._hardly_classes(names, present):
            raise ValueError(
                f"the target {self.name!r} has {len(names)} different words in {present} rows, such as "
                f"{names[-1]!r}: hardly classes; choose another target, name the words that mean 'missing' with "
                "missing=, or say kind='classes'"
            )
        if len(names) < 2:
            raise ValueError(
                f"the target {self.name!r} holds one class only, {names[0]!r}: there is nothing to tell apart; if "
                "another class was taken as missing, name the words that mean 'missing' with missing="
            )
        return names

    @staticmethod
    def _hardly_classes(names: tuple[str, ...], rows: int) -> bool:
        """Whether many different words are names or notes: most occur once, or most are numbers beside a word."""
        numbers = sum(is_number(name) for name in names)
        return 2 * len(names) > rows or len(names) / 2 < numbers < len(names)

    def _class_numbers(self, cells: TargetCells, table: Table | None) -> NDArray[np.int64]:
        assert self.class_names is not None
        texts, positions = cells.texts(self._reading.missing)
        exact = {name: k for k, name in enumerate(self.class_names)}
        by_value = {canonical(name): k for k, name in enumerate(self.class_names)}
        numbers = [exact.get(text, by_value.get(canonical(text), -1)) for text in texts]
        found = np.array(numbers, np.int64)[positions]
        if (found < 0).any():
            row = int(np.argmax(found < 0))
            where = f"row {row} (counted from 0)" if table is None else table.place(row, cells.name)
            known = ", ".join(self.class_names[:20]) + (", …" if len(self.class_names) > 20 else "")
            raise ValueError(f"{where}: expected one of the classes {known}, got {texts[positions[row]]!r}")
        return found

    def _require_usable(self, reading: Reading, cells: TargetCells) -> None:
        if reading.kind == "empty":
            raise ValueError(
                f"the target {self.name!r} is missing in all of {len(cells)} rows; choose another"
            )
        if reading.kind == "unsupported" or (reading.kind in ("date", "time") and self.kind != "classes"):
            example = cells[int(np.argmin(cells.missing(reading.missing)))]
            raise ValueError(
                f"the target {self.name!r} must be words or numbers, got "
                f"{reading.written if reading.kind == 'unsupported' else reading.kind + 's'} such as {example!r}; "
                "make numbers of them"
            )

    def _not_values(self, reading: Reading, cells: TargetCells, decimal: str) -> str:
        texts = sorted(cells.texts(reading.missing)[0])
        example = next((text for text in texts if not is_number(text, decimal)), texts[0])
        return (
            f"the target {self.name!r} must be numbers for kind='values', got {example!r}; name it in missing= if it "
            "means 'missing', or use kind='classes'"
        )

    def _require_finite(self, cells: TargetCells, values: NDArray[np.float64]) -> None:
        lost = np.isnan(values) & ~cells.missing(self._reading.missing)
        if lost.any():
            row = int(np.argmax(lost))
            raise ValueError(
                f"the target {self.name!r} must be finite, got {cells[row]} in row {row} (counted from 0); leave the "
                "row out"
            )


def missing_targets(data: Any, missing: tuple[str, ...] = MISSING) -> NDArray[np.bool_]:
    """Which targets are missing, before a :class:`Target` knows them.

    Parameters
    ----------
    data : Table with labels, Series of any library, array or list (m,) or (m, 1)
    missing : tuple of str
        The words that mean "missing"; a Table brings its own.
    """
    cells, _, table = Target()._cells(data)
    return cells.missing(cells.words_for_missing(missing if table is None else table.missing))
