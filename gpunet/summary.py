"""A network as a table, in text and in HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gpunet.core.layers import Dense

HEADER = ("layer", "outputs A[l]", "weights W[l]", "parameters")


def summary(layers: Sequence[Dense], dropouts: Sequence[float], inputs: int | None, ending: str) -> str:
    """Layers, shapes and parameter counts, within 80 columns.

    Parameters
    ----------
    layers : sequence of Dense
    dropouts : sequence of float
        Dropout rate of each layer's inputs.
    inputs : int or None
        ``n[0]``; None if not known yet.
    ending : str
        What follows the parameter count in the last line.
    """
    rows, count = _rows(layers, dropouts, inputs)
    lines = [f"{name:<22}{A:>14}{W:>18}{number:>16}".rstrip() for name, A, W, number in (HEADER, *rows)]
    rule = "─" * 70
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{count} parameters, {ending}"])


def summary_html(layers: Sequence[Dense], dropouts: Sequence[float], inputs: int | None, ending: str) -> str:
    """The same as HTML, for notebooks."""
    rows, count = _rows(layers, dropouts, inputs)
    return html_table(HEADER, rows, f"{count} parameters, {ending}")


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table in HTML; all texts are escaped."""

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    below = f"<p>{escape(caption)}</p>" if caption else ""
    return f"<table>{line('th', header)}{''.join(line('td', row) for row in rows)}</table>{below}"


def _rows(
    layers: Sequence[Dense], dropouts: Sequence[float], inputs: int | None
) -> tuple[list[tuple[str, str, str, str]], str]:
    """A row per layer and dropout, and the count of all parameters; "?" where the inputs are not known."""
    known = inputs is not None
    n_in = inputs or 0
    rows = [("inputs", f"({n_in if known else '?'}, m)", "", "")]
    total = 0
    for l, (layer, rate) in enumerate(zip(layers, dropouts, strict=True)):
        if rate:
            rows.append((f"dropout {rate:g}", "", "", ""))
        settled = known or l > 0
        count = layer.units * (n_in + 1)
        total += count
        shape = f"({layer.units}, {n_in if settled else '?'})"
        number = f"{count:,}" if settled else "?"
        name = f"{l + 1} {layer.activation}" + ("" if layer.trainable else ", frozen")
        rows.append((name, f"({layer.units}, m)", shape, number))
        n_in = layer.units
    return rows, f"{total:,}" if known else "?"
