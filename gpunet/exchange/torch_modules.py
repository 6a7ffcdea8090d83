"""What gpunet's layers are in PyTorch, in both directions. Imports torch: import it where it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gpunet.core.activations import LEAK

# Modules that compute what gpunet's activation of that name does; the identity needs none.
MODULES: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAK),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "mish": nn.Mish,
    "softmax": lambda: nn.Softmax(dim=1),
}
NAMES: dict[type[nn.Module], str] = {type(make()): name for name, make in MODULES.items()}
# Settings of a module that gpunet's activation has one value of.
SETTINGS: dict[type[nn.Module], dict[str, Any]] = {
    nn.LeakyReLU: {"negative_slope": LEAK},
    nn.ELU: {"alpha": 1.0},
    nn.Softplus: {"beta": 1.0, "threshold": 20.0},
    nn.GELU: {"approximate": "tanh"},
}


class Standardize(nn.Module):  # type: ignore[misc]
    """``(x − mean) / deviation``, in the dtype of both, then in the network's; see :class:`gpunet.Standardizer`.

    Parameters
    ----------
    mean, deviation : array ``(n,)``
    dtype : torch.dtype
        Of the result; ``module.half()`` and the like change it.
    per : {"feature", "set"}
        How both were measured.
    center : bool
        Whether a mean is subtracted; else all of `mean` is 0.
    """

    def __init__(
        self, mean: Any, deviation: Any, dtype: torch.dtype, per: str = "feature", center: bool = True
    ) -> None:
        super().__init__()
        self.per, self.center = per, center
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float64))
        # A tensor without elements: it follows the network to another dtype.
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Rows ``(m, n)`` of any dtype, standardised."""
        rows = X.flatten(1).to(self.mean.dtype)
        return ((rows - self.mean) / self.deviation).to(self.like.dtype)

    def extra_repr(self) -> str:
        """How many features."""
        return f"{len(self.mean)} features, per={self.per!r}"


class OwnUnit(nn.Module):  # type: ignore[misc]
    """``a · scale + center`` in float64: from a network's outputs to values in the target's own unit.

    Parameters
    ----------
    center, scale : float
    """

    def __init__(self, center: float, scale: float) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor(center, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

    def forward(self, A: torch.Tensor) -> torch.Tensor:
        """Values ``(m, 1)``."""
        return A.to(self.scale.dtype) * self.scale + self.center
