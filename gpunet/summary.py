"""A network as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpunet.network import Network


def summary(network: Network) -> str:
    """Layers, shapes and parameter counts, within 80 columns."""
    known = network.inputs is not None
    n_in = network.inputs or 0
    lines = [f"{'layer':<22}{'A[l]':>14}{'W[l]':>18}{'parameters':>16}", "─" * 70]
    first = f"({n_in if known else '?'}, m)"
    lines.append(f"{'inputs':<22}{first:>14}")
    total = 0
    for l, (layer, rate) in enumerate(zip(network.layers, network.dropouts, strict=True)):
        if rate:
            lines.append(f"{f'dropout {rate:g}':<22}")
        know = known or l > 0
        count = layer.units * (n_in + 1)
        total += count
        shape = f"({layer.units}, {n_in if know else '?'})"
        lines.append(
            f"{f'{l + 1} {layer.activation}':<22}{f'({layer.units}, m)':>14}{shape:>18}"
            f"{f'{count:,}' if know else '?':>16}"
        )
        n_in = layer.units
    lines.append("─" * 70)
    where = network._home.backend.name if network._home else network.backend
    count_all = f"{total:,}" if known else "?"
    lines.append(f"{count_all} parameters, {network.dtype}; loss {network.loss}; backend {where}")
    return "\n".join(lines)
