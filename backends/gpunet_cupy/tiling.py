"""How hidden layers are cut into tiles, one tile of each layer per thread block.

``kernels/persistent/tiling.cuh`` computes the same sizes.
"""

from __future__ import annotations

from gpunet.core.plan import Plan
from gpunet_cupy.sources import Macro
from gpunet_cupy.support import braces, network_macros, update_macros

TILE_UNITS = 32
ALIGNED = 8  # inputs of a tile are a multiple of it: matrix units add up eight products at a time
MIN_INPUTS, MAX_INPUTS = 32, 512  # of a tile


def round_up(n: int, multiple: int) -> int:
    """The least multiple of `multiple` that is at least `n`."""
    return -(-n // multiple) * multiple


def pitch(inputs: int) -> int:
    """Values from one row of a tile to the next."""
    return inputs if inputs % 16 else inputs + 8


class Tiling:
    """The tiles of a plan's hidden layers, or of the first ones.

    Parameters
    ----------
    plan : Plan
    inputs : list of int
        Inputs of a tile, for each hidden layer that is cut into tiles.

    Attributes
    ----------
    sizes : list of int
        ``n[0] … n[L]``.
    strides : list of int
        Values from one example to the next in global memory, for each of them.
    grid : list of (int, int)
        Rows and columns of tiles, for each of those layers.
    tiles : int
        Tiles of the layer that has most.
    """

    def __init__(self, plan: Plan, inputs: list[int]) -> None:
        self.plan, self.inputs = plan, inputs
        self.sizes = list(plan.sizes)
        self.strides = [round_up(n, 4) for n in self.sizes]
        self.grid = [
            (-(-self.sizes[l + 1] // TILE_UNITS), -(-self.sizes[l] // n)) for l, n in enumerate(inputs)
        ]
        self.tiles = max(rows * columns for rows, columns in self.grid)

    def shared(self, chunk: int, threads: int) -> int:
        """Values of shared memory: tiles, their inputs and δ for a chunk of examples, and scratch memory."""
        rows = TILE_UNITS * (1 + self.plan.optimizer.slots) + chunk
        return sum(pitch(n) * rows for n in self.inputs) + chunk * pitch(TILE_UNITS) + 32 * threads

    def macros(self) -> dict[str, Macro]:
        """What ``tiling.cuh`` and the headers that it includes need."""
        return {
            **update_macros(self.plan),
            **network_macros(self.plan),
            "TILE_INPUTS": braces(0, *self.inputs),
        }


def tiling_of(plan: Plan, thread_blocks: int, layers: int | None = None) -> Tiling | None:
    """The tiling with at most `thread_blocks` tiles per layer; None where tiles would be too large.

    Of all hidden layers, or the first `layers` ones.
    """
    inputs = []
    for layer in plan.layers[:-1][:layers]:
        columns = thread_blocks // -(-layer.units // TILE_UNITS)
        if columns == 0:
            return None
        even = max(round_up(-(-layer.inputs // columns), ALIGNED), MIN_INPUTS)
        inputs.append(min(even, round_up(layer.inputs, ALIGNED)))
    return Tiling(plan, inputs) if inputs and max(inputs) <= MAX_INPUTS else None
