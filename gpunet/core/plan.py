"""The plan of a training run: the one value that describes it to the training loop and to a backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gpunet.core.activations import ActivationLike
from gpunet.core.losses import LossLike
from gpunet.core.optimizers import Optimizer

PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class Layer:
    """One dense layer with known sizes.

    Attributes
    ----------
    inputs, units : int
        ``n[l−1]`` and ``n[l]``.
    activation : str or Activation
    dropout : float
        Rate at which this layer's *inputs* are dropped while training.
    trainable : bool
        Whether updates change W and b; if not, both are the same to the bit after any number of steps.
    """

    inputs: int
    units: int
    activation: ActivationLike
    dropout: float = 0.0
    trainable: bool = True

    @property
    def weights(self) -> int:
        """How many numbers W has."""
        return self.inputs * self.units


@dataclass(frozen=True)
class Plan:
    """All that is static about a training run; hashable, so that programs can be compiled for it once.

    Attributes
    ----------
    layers : tuple of Layer
    loss : str or Loss
    optimizer : Optimizer
    examples : int
        m, columns of X.
    batch_size : int
        B; the last batch of an epoch holds the remainder.
    dtype : str
        ``float32`` or ``float64``.
    weighted : bool
        Whether examples carry weights.
    precision : str
        One of `PRECISIONS`: to what the factors of matrix products may be rounded. Weights and sums are not.
    penalized : bool
        Whether the cost has an L2 penalty, whose λ is the last of each step's coefficients: see
        ``gpunet/core/penalty.py``.
    sparse : bool
        Whether X is a :class:`~gpunet.core.sparse_columns.SparseColumns` in the place of an array.
    lanes : int or None
        Parts of each batch whose gradients are added in a fixed order, see ``gpunet/core/lanes.py``; None for a batch
        that is not cut.
    in_parts : bool
        Whether a batch is larger than what is in memory at a time, see ``gpunet/core/accumulation.py``.
    """

    layers: tuple[Layer, ...]
    loss: LossLike
    optimizer: Optimizer
    examples: int
    batch_size: int
    dtype: str = "float32"
    weighted: bool = False
    precision: str = "float32"
    penalized: bool = False
    sparse: bool = False
    lanes: int | None = None
    in_parts: bool = False

    @cached_property
    def activations(self) -> tuple[ActivationLike, ...]:
        """Each layer's activation."""
        return tuple(layer.activation for layer in self.layers)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """``n[0] … n[L]``."""
        return (self.layers[0].inputs, *(layer.units for layer in self.layers))

    @cached_property
    def weights(self) -> int:
        """How many numbers all W have: as many multiplications has the forward pass of an example."""
        return sum(layer.weights for layer in self.layers)

    @cached_property
    def trainable(self) -> tuple[bool, ...]:
        """Whether each layer is trained; at least one is."""
        return tuple(layer.trainable for layer in self.layers)

    @cached_property
    def uses_dropout(self) -> bool:
        """Whether any layer drops inputs."""
        return any(layer.dropout for layer in self.layers)

    @cached_property
    def steps(self) -> int:
        """Updates per epoch."""
        return self.steps_for(self.examples)

    def steps_for(self, examples: int) -> int:
        """Updates for so many examples, of one epoch or of several. The last batch of an epoch may be smaller."""
        epochs, rest = divmod(examples, self.examples)
        return epochs * -(-self.examples // self.batch_size) + -(-rest // self.batch_size)

    def batches(self, examples: int | None = None) -> list[tuple[int, int]]:
        """Bounds ``(first, last + 1)`` of each batch of an epoch, or of so many examples, of one epoch or of several.

        They are positions in the order. No batch has examples of two epochs.
        """
        m, bounds = self.examples if examples is None else examples, []
        for begin in range(0, m, self.examples):
            end = min(begin + self.examples, m)
            bounds += [(i, min(i + self.batch_size, end)) for i in range(begin, end, self.batch_size)]
        return bounds
