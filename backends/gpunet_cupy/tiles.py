"""How hidden layers are cut into tiles, one tile of each layer a thread block; see ``kernels/tile.cu``."""

from __future__ import annotations

from gpunet.core.plan import Plan
from gpunet_cupy.kernels import Macro, rule

TALL = 32  # units of a tile, as in tile.cu
NARROWEST, WIDEST = 32, 512  # inputs of a tile


def up(n: int, multiple: int) -> int:
    """N, rounded up to a multiple."""
    return -(-n // multiple) * multiple


def pitch(wide: int) -> int:
    """Numbers from one row of a tile to the next."""
    return wide if wide % 8 else wide + 4


class Tiles:
    """The cut of a plan.

    Parameters
    ----------
    plan : Plan
    wide : sequence of int
        Inputs of a tile, for each hidden layer.

    Attributes
    ----------
    sizes : list of int
        ``n[0] … n[L]``.
    strides : list of int
        Numbers from one example to the next in global memory.
    grid : list of (int, int)
        Rows and columns of tiles, for each hidden layer.
    """

    def __init__(self, plan: Plan, wide: list[int]) -> None:
        self.plan, self.wide = plan, wide
        self.sizes = [plan.layers[0].inputs, *(layer.units for layer in plan.layers)]
        self.strides = [up(n, 4) for n in self.sizes]
        self.grid = [(-(-self.sizes[l + 1] // TALL), -(-self.sizes[l] // w)) for l, w in enumerate(wide)]
        self.blocks = max(rows * columns for rows, columns in self.grid)

    def shared(self, chunk: int, threads: int) -> int:
        """Numbers of shared memory: tiles, inputs and δ of a chunk, and the sums of a gradient's groups."""
        kept = TALL * (1 + self.plan.optimizer.slots) + chunk
        return sum(pitch(wide) * kept for wide in self.wide) + chunk * (TALL + 4) + 32 * threads

    def macros(self) -> dict[str, Macro]:
        """What tile.cu wants to know."""

        def braces(*values: object) -> str:
            return "{" + ", ".join(map(str, values)) + "}"

        return {
            **rule(self.plan.optimizer),
            "LAYERS": len(self.plan.layers),
            "SIZES": braces(*self.sizes),
            "WIDE": braces(0, *self.wide),
            "ACTIVATIONS": braces(0, *(name.upper() for name in self.plan.activations)),
            "LOSS": self.plan.loss.upper(),
        }


def cut(plan: Plan, blocks: int) -> Tiles | None:
    """The hidden layers of `plan` in at most `blocks` tiles each; None where tiles would be too large."""
    wide = []
    for layer in plan.layers[:-1]:
        columns = blocks // -(-layer.units // TALL)
        if columns == 0:
            return None
        wide.append(min(max(up(-(-layer.inputs // columns), 4), NARROWEST), up(layer.inputs, 4)))
    return Tiles(plan, wide) if wide and max(wide) <= WIDEST else None
