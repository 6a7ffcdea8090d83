"""How a network is trained on a table by default: one rule, of the number of rows.

AdamW on all rows, with a cosine schedule down to 0 and a weight decay that falls with the number of rows. Nothing is
held out: on a small table the rows are worth more in training than as a measure of when to stop, and the weight decay
prevents overfitting. `benchmarks/tables_accuracy.py` measures the rule on public tables.

AdamW's steps are about α long, so the decay λ keeps the weights at about 1/λ or less. Behind h hidden units an output
is then within about h/λ² times an input: λ ∝ √h leaves networks of any width the same range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpunet.core.default_optimizer import default_rate
from gpunet.core.layers import Dense
from gpunet.core.optimizers import AdamW
from gpunet.core.schedules import Cosine

UNITS = 256  # of the default hidden layer
BATCH_SIZE = 64
UPDATES = 5000
FEWEST_EPOCHS, MOST_EPOCHS = 20, 300
# λ = ROWS / m, within these limits, for UNITS hidden units: the fewer the rows, the sooner they are overfitted.
ROWS, LEAST_DECAY, MOST_DECAY = 1000, 0.2, 5.0


def epochs_for(updates: int, steps: int, fewest: int = FEWEST_EPOCHS, most: int = MOST_EPOCHS) -> int:
    """The number of epochs, of `steps` updates each, that make so many updates, within these limits."""
    return max(fewest, min(most, math.ceil(updates / steps)))


def table_weight_decay(rows: int, units: Sequence[int]) -> float:
    """λ of AdamW, for so many training rows and hidden layers with these units; 0 without hidden layers."""
    narrowest = min(units, default=0)
    return min(max(ROWS / rows, LEAST_DECAY), MOST_DECAY) * math.sqrt(narrowest / UNITS)


def table_optimizer(rows: int, hidden: Sequence[Dense]) -> AdamW:
    """The optimizer, for a network with these hidden layers."""
    rate = default_rate("adamw", [layer.activation for layer in hidden])
    return AdamW(Cosine(rate), weight_decay=table_weight_decay(rows, [layer.units for layer in hidden]))
