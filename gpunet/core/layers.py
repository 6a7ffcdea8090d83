"""The layers a network is built from: what a person writes down (C6)."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

from gpunet.core.activations import ACTIVATIONS, Activation, ActivationLike
from gpunet.core.checks import (
    flag,
    function,
    known_name,
    named_or_own,
    no_function,
    positive_int,
    unit_interval,
)
from gpunet.core.initializers import INITIALIZERS, Initializer
from gpunet.core.other_names import ACTIVATIONS_ELSEWHERE, INITIALIZERS_ELSEWHERE


@dataclass(frozen=True)
class Dense:
    """A dense layer: ``Z[l] = W[l] A[l−1] + b[l]``, ``A[l] = g[l](Z[l])`` (C6).

    Parameters
    ----------
    units : int
        Number of neurons ``n[l]``.
    activation : str or Activation
        g, by name: ``identity``, ``sigmoid``, ``tanh``, ``relu``, ``leaky_relu``, ``elu``, ``selu``,
        ``softplus``, ``silu``, ``gelu``, ``mish`` or ``softmax``; or an :class:`Activation` of your own.
    initializer : str, callable or None
        Initial W: ``lecun_normal``, ``lecun_uniform``, ``glorot_normal``, ``glorot_uniform``, ``he_normal``,
        ``he_uniform`` or ``zeros``; a :class:`Constant`; or a callable ``(rng, n_out, n_in) -> W``, an array
        ``(n_out, n_in)``. None takes the one that suits the activation (C16).
    trainable : bool
        False freezes the layer: no ``fit`` changes W and b. See :meth:`gpunet.Network.set_trainable`.

    Raises
    ------
    ValueError, TypeError
        For fewer than one unit, an unknown name, or what is not True or False.
    """

    units: int
    activation: ActivationLike = "identity"
    initializer: str | Initializer | None = None
    trainable: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", positive_int("units", self.units))  # NumPy's too, as Python's own
        object.__setattr__(self, "trainable", flag("trainable", self.trainable))
        if isinstance(self.activation, numbers.Integral):
            raise TypeError(
                f"Dense takes the units of its layer alone: its inputs are the units of the layer before, or the "
                f"features of the data; got Dense({self.units}, {self.activation}), write Dense({self.activation}, …)"
            )
        if isinstance(self.activation, Activation):
            name = named_or_own("activation", self.activation, ACTIVATIONS)
            object.__setattr__(self, "activation", name)
            known_name("initializer", ACTIVATIONS[self.activation].initializer, INITIALIZERS)
        else:
            no_function("activation", self.activation, "a gpunet.Activation(name, forward, backward)")
            known_name("activation", self.activation, ACTIVATIONS, ACTIVATIONS_ELSEWHERE)
        if isinstance(self.initializer, str):
            known_name("initializer", self.initializer, INITIALIZERS, INITIALIZERS_ELSEWHERE)
        elif self.initializer is not None:
            function("initializer", self.initializer, "(rng, n_out, n_in) -> W, or the name of one", 3)

    @property
    def start(self) -> Initializer:
        """The initializer in force."""
        chosen = self.initializer or ACTIVATIONS[self.activation].initializer
        return INITIALIZERS[chosen] if isinstance(chosen, str) else chosen


@dataclass(frozen=True)
class Dropout:
    """Set each input of the next layer to 0 with probability `rate`, while training.

    Parameters
    ----------
    rate : float
        ``0 ≤ rate < 1``. The inputs that stay are multiplied by ``1/(1 − rate)``; predictions use all
        inputs as they are.

    Raises
    ------
    ValueError, TypeError
        If the rate is outside that range, or no number.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", unit_interval("rate", self.rate))
