"""A network as a table."""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.core.layers import Dense


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
    known = inputs is not None
    n_in = inputs or 0
    lines = [f"{'layer':<22}{'A[l]':>14}{'W[l]':>18}{'parameters':>16}", "─" * 70]
    first = f"({n_in if known else '?'}, m)"
    lines.append(f"{'inputs':<22}{first:>14}")
    total = 0
    for l, (layer, rate) in enumerate(zip(layers, dropouts, strict=True)):
        if rate:
            lines.append(f"{f'dropout {rate:g}':<22}")
        settled = known or l > 0
        count = layer.units * (n_in + 1)
        total += count
        shape = f"({layer.units}, {n_in if settled else '?'})"
        lines.append(
            f"{f'{l + 1} {layer.activation}':<22}{f'({layer.units}, m)':>14}{shape:>18}"
            f"{f'{count:,}' if settled else '?':>16}"
        )
        n_in = layer.units
    lines.append("─" * 70)
    lines.append(f"{f'{total:,}' if known else '?'} parameters, {ending}")
    return "\n".join(lines)
