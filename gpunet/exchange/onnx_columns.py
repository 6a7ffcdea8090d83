"""The inputs of a graph: rows of an array, or the columns of a table by name (see :mod:`gpunet.tables`).

Numbers, dates and booleans are float64, as the encoder computes with them: NaN where a cell is missing. Categories are
text, "" where missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import numpy as np

from gpunet.exchange.onnx_graph import Graph, Port, Tensor
from gpunet.inputs.standardizer import Standardizer
from gpunet.tables import TableEncoder
from gpunet.tables.category_column import Category
from gpunet.tables.column import Column
from gpunet.tables.date_column import Date
from gpunet.tables.libraries import polars
from gpunet.tables.number_column import Boolean, Number
from gpunet.tables.scaling import CLIP, LARGEST

_WITHOUT_OVERFLOW = 1e100  # its square is finite; beyond it the smooth clip is its limit to the last bit
_ABOUT = {
    "number": "a number, NaN where missing",
    "boolean": "0 or 1, NaN where missing",
    "date": "seconds since 1970-01-01, NaN where missing",
    "time": "seconds since midnight, NaN where missing",
    "category": "text as in training, '' where missing",
}
_LAST = 10**6  # the place of "… is missing": behind all others of its column
Piece = tuple[Tensor, list[tuple[int, int]]]  # inputs (m, k), and for each its column and its place there


def array_input(graph: Graph, inputs: int, standardizer: Standardizer | None, dtype: str) -> Tensor:
    """The input X ``(m, n)``, standardised if the network does that: in float64, as ``predict`` does for wide X."""
    if standardizer is None or not standardizer.fitted:
        return graph.input(Port("X", dtype, inputs, "rows of features"))
    X = graph.input(Port("X", "float64", inputs, "rows of features, before they are standardised"))
    mean = graph.constant(standardizer.mean, "float64", "mean")
    deviation = graph.constant(standardizer.deviation, "float64", "deviation")
    return graph.cast((X - mean) / deviation, dtype)


def table_inputs(graph: Graph, encoder: TableEncoder, dtype: str) -> Tensor:
    """One input per column, and from them what the encoder makes of a table: ``(m, n)`` in `dtype`.

    Columns of one kind are encoded together, and put into the encoder's order at the end.
    """
    columns = dict(enumerate(encoder.learned))
    inputs = {k: _input(graph, name, columns[k]) for k, name in enumerate(column_names(encoder))}
    numeric = {k: column for k, column in columns.items() if not isinstance(column, Category)}
    pieces: list[Piece] = []
    if numeric:
        pieces += _numeric_pieces(graph, numeric, {k: inputs[k] for k in numeric}, dtype)
    for k, column in columns.items():
        if isinstance(column, Category):
            pieces.append(_category_piece(graph, k, column, inputs[k], dtype))
    places = [place for _, found in pieces for place in found]
    X = _beside(graph, [tensor for tensor, _ in pieces])
    order = sorted(range(len(places)), key=lambda position: places[position])
    if order == list(range(len(places))):
        return X
    return graph.node("Gather", X, graph.constant(order, "int64", "order"), axis=1, name="encoded")


def column_names(encoder: TableEncoder) -> list[str]:
    """What the inputs are called: as the columns; one without a name, which ONNX does not have, by its number.

    Where another column is called so, by the next number.
    """
    known = encoder.columns
    return [
        name or next(free for n in count(k) if (free := f"column {n}") not in known)
        for k, name in enumerate(known)
    ]


def _input(graph: Graph, name: str, column: Column) -> Tensor:
    dtype = "str" if isinstance(column, Category) else "float64"
    return graph.input(Port(name, dtype, 1, _ABOUT[column.kind]))


def _numeric_pieces(
    graph: Graph, columns: dict[int, Column], inputs: dict[int, Tensor], dtype: str
) -> list[Piece]:
    """Numbers, dates and booleans: scaled or filled, the places of dates in their cycles, and which are missing."""
    numbers = {k: column for k, column in columns.items() if isinstance(column, Number) and column.scale > 0}
    booleans = {
        k: column for k, column in columns.items() if isinstance(column, Boolean) and not column.constant
    }
    dates = {k: column for k, column in columns.items() if isinstance(column, Date) and column.cycles}
    cells = _Numeric(graph, inputs, dtype)
    pieces: list[Piece] = []
    if numbers:
        pieces.append((cells.scaled(numbers), [(k, 0) for k in numbers]))
    if booleans:
        filled = cells.filled(booleans, [column.mean for column in booleans.values()])
        pieces.append((graph.cast(filled, dtype), [(k, 0) for k in booleans]))
    pieces += [_waves(graph, k, column, inputs[k], dtype) for k, column in dates.items()]
    gaps = {k: column for k, column in columns.items() if column.missing}
    if gaps:
        missing = graph.node("Not", cells.of(cells.present, gaps))
        pieces.append((graph.cast(missing, dtype), [(k, _LAST) for k in gaps]))
    return pieces


class _Numeric:
    """The cells of numeric columns side by side, and which are there."""

    def __init__(self, graph: Graph, inputs: dict[int, Tensor], dtype: str) -> None:
        self.graph, self.which, self.dtype = graph, list(inputs), dtype
        self.cells = _beside(graph, list(inputs.values()))
        self.present = _present(graph, self.cells)

    def of(self, tensor: Tensor, wanted: Iterable[int]) -> Tensor:
        """Some of the columns of the cells, or of what is there."""
        positions = [self.which.index(k) for k in wanted]
        if len(positions) == len(self.which):
            return tensor
        return self.graph.node("Gather", tensor, self.graph.constant(positions, "int64"), axis=1)

    def filled(self, wanted: Iterable[int], values: Any) -> Tensor:
        """The cells of some columns; of each one its value where a cell is missing."""
        return self.graph.where(self.of(self.present, wanted), self.of(self.cells, wanted), [values])

    def scaled(self, columns: dict[int, Number]) -> Tensor:
        """``(x − center) / scale`` as :mod:`gpunet.tables.scaling` has it, without overflow, and its smooth clip."""
        center = np.array([column.center for column in columns.values()])
        scale = np.array([column.scale for column in columns.values()])
        x = self.filled(columns, center)
        z = _clipped(self.graph, (0.5 * x - center / 2) / (scale / 2), LARGEST)
        if next(iter(columns.values())).settings["scaling"] == "robust":
            z = _clipped(self.graph, z, _WITHOUT_OVERFLOW)
            z = z / self.graph.node("Sqrt", 1.0 + (z / CLIP) * (z / CLIP))
        else:
            z = _clipped(self.graph, z, float(np.finfo(self.dtype).max))
        return self.graph.cast(z, self.dtype)


def _waves(graph: Graph, k: int, column: Date, seconds: Tensor, dtype: str) -> Piece:
    """Sine and cosine of a date's place in its cycles; 0 where it is missing."""
    periods = np.array([column.CYCLES[cycle] for cycle in column.cycles])
    present = _present(graph, seconds)
    turns = graph.where(present, seconds, 0.0) / periods
    angle = (2 * np.pi) * (turns - graph.node("Floor", turns))
    # cos x = sin (x + π/2): onnxruntime 1.20 has no cosine of float64.
    waves = graph.node("Sin", _beside(graph, [angle, angle + np.pi / 2]))
    places = [(k, 1 + 2 * c + wave) for wave in (0, 1) for c in range(len(periods))]
    return graph.cast(graph.where(present, waves, 0.0), dtype), places


def _category_piece(graph: Graph, k: int, column: Category, texts: Tensor, dtype: str) -> Piece:
    """The row of a table of codes: one for each value of training, one for other values, one for a missing cell.

    The codes are what the encoder itself gives for these cells.
    """
    words = ("", *dict.fromkeys(column.reading.missing + column.reading.words))
    other = "x" * (1 + max(map(len, (*column.values, *words))))  # longer than any, it is none of them
    cells = polars().Series(column.name, [*column.values, other, None], polars().String)
    codes = column.transform(cells, ".")
    unseen = len(column.values)
    row = graph.node(
        "LabelEncoder",
        texts,
        domain="ai.onnx.ml",
        dtype="int64",
        keys_strings=[*column.values, *words],
        values_int64s=[*range(unseen), *[unseen + 1] * len(words)],
        default_int64=unseen,
    )
    table = graph.constant(codes, dtype, f"codes of {column.name}")
    flat = graph.node("Reshape", row, graph.constant([-1], "int64"))
    return graph.node("Gather", table, flat, axis=0), [(k, place) for place in range(codes.shape[1])]


def _present(graph: Graph, cells: Tensor) -> Tensor:
    """Which cells hold a finite number: an infinite one counts as missing."""
    return graph.abs(cells) <= np.finfo("float64").max


def _clipped(graph: Graph, x: Tensor, limit: float) -> Tensor:
    return graph.maximum(graph.minimum(x, limit), -limit)


def _beside(graph: Graph, tensors: list[Tensor]) -> Tensor:
    """Tensors ``(m, k)`` side by side."""
    return tensors[0] if len(tensors) == 1 else graph.node("Concat", *tensors, axis=1)
