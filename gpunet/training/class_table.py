"""The text of a confusion matrix, and of the classes' precision and recall, in as many columns as there are."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

LONGEST_NAME, SHORTEST_NAME = 24, 8  # to which names are cut
MOST_ROWS, WORST = 30, 10  # classes that are listed without a matrix; above, only the worst ones
MISTAKES = 5  # most frequent ones, which are listed beside no matrix
SHORT_HEAD = 3  # names so long stand above the columns; letters in the place of longer ones
PRECISION, RECALL = 11, 8  # widths
FRACTIONS = f"{'precision':>{PRECISION}}{'recall':>{RECALL}}"


def class_table(
    names: Sequence[str], matrix: Any, actual: Any, precision: Any, recall: Any, *, width: int
) -> str:
    """A row per class: examples by predicted class, precision and recall.

    Where the matrix is wider than `width`, or there is none: examples, precision and recall, and the most frequent
    mistakes; of many classes those with the lowest F1.
    """
    if matrix is not None:
        digits = len(str(int(matrix.max())))
        own = max(map(len, names)) <= max(digits, SHORT_HEAD)  # whether names stand above the columns
        heads = list(names) if own else _letters(len(names))
        rows = heads if own else [f"{a} {b}" for a, b in zip(heads, names, strict=True)]
        longest = max(map(len, rows))
        for gap in (2, 1):
            cell = gap + max(digits, *map(len, heads))
            room = width - cell * len(names) - len(FRACTIONS)
            if room >= min(longest, SHORTEST_NAME):
                return _with_matrix(rows, heads, matrix, precision, recall, min(room, longest), cell)
    return _without_matrix(names, matrix, actual, precision, recall)


def _with_matrix(
    rows: list[str], heads: list[str], matrix: Any, precision: Any, recall: Any, room: int, cell: int
) -> str:
    room = min(room, LONGEST_NAME)
    lines = [f"{'':{room}}{''.join(f'{head:>{cell}}' for head in heads)}{FRACTIONS}"]
    for row, counts, p, r in zip(rows, matrix, precision, recall, strict=True):
        cells = "".join(f"{int(n) or '·':>{cell}}" for n in counts)
        lines.append(f"{shortened(row, room):{room}}{cells}{_fractions(p, r)}")
    return "\n".join(lines)


def _without_matrix(names: Sequence[str], matrix: Any, actual: Any, precision: Any, recall: Any) -> str:
    shown, lines = list(range(len(names))), []
    if len(names) > MOST_ROWS:
        shown = sorted(shown, key=lambda k: _f1(precision[k], recall[k]))[:WORST]
        lines.append(f"{len(names)} classes, of which these {WORST} have the lowest F1:")
    room = min(LONGEST_NAME, max(len(names[k]) for k in shown))
    lines.append(f"{'':{room}}{'examples':>10}{FRACTIONS}")
    for k in shown:
        fractions = _fractions(precision[k], recall[k])
        lines.append(f"{shortened(names[k], room):{room}}{int(actual[k]):>10,}{fractions}")
    if matrix is not None:
        mistakes = [(int(n), j, k) for j, row in enumerate(matrix) for k, n in enumerate(row) if n and j != k]
        for n, j, k in sorted(mistakes, key=lambda mistake: -mistake[0])[:MISTAKES]:
            true, predicted = (shortened(names[c], LONGEST_NAME) for c in (j, k))
            lines.append(f"{n:,} × {true} taken for {predicted}")
    return "\n".join(lines)


def _letters(count: int) -> list[str]:
    """A, B, …, Z, AA, AB, …"""
    one = string.ascii_uppercase
    return [*one, *(a + b for a in one for b in one)][:count]


def _fractions(precision: float, recall: float) -> str:
    p, r = ("–" if math.isnan(value) else f"{value:.3f}" for value in (precision, recall))
    return f"{p:>{PRECISION}}{r:>{RECALL}}"


def _f1(precision: float, recall: float) -> float:
    """``F1 = 2 p r / (p + r)``; 0 for a class that is never predicted, 1 (nothing to show) for one without examples."""
    if math.isnan(recall):
        return 1.0
    if math.isnan(precision) or precision + recall == 0:
        return 0.0
    return 2.0 * precision * recall / (precision + recall)


def shortened(name: str, room: int) -> str:
    """A name in at most `room` characters."""
    return name if len(name) <= room else f"{name[: room - 1]}…"
