"""Initial weights (C16, C17): random, with a variance at which signals neither vanish nor explode with depth (C14).

An initializer is ``(rng, n_out, n_in) -> values``: a NumPy array ``(n_out, n_in)``, or a number that
stands for a whole matrix. The draw is made on the host, from a seeded ``numpy.random.Generator``, so
that every backend starts from the same weights. Biases start at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpunet.core.checks import finite_number

Initializer = Callable[[Any, int, int], Any]


def lecun_normal(rng: Any, n_out: int, n_in: int) -> Any:
    """Std ``√(1/n[l−1])`` (LeCun et al. 1998): for sigmoid and tanh; the course calls it Xavier there."""
    return math.sqrt(1.0 / n_in) * rng.standard_normal((n_out, n_in))


def lecun_uniform(rng: Any, n_out: int, n_in: int) -> Any:
    """Uniform ``±√(3/n[l−1])``, the same variance as :func:`lecun_normal`."""
    return math.sqrt(3.0 / n_in) * rng.uniform(-1.0, 1.0, (n_out, n_in))


def glorot_normal(rng: Any, n_out: int, n_in: int) -> Any:
    """Variance ``2/(n[l−1] + n[l])`` (Glorot and Bengio 2010)."""
    return math.sqrt(2.0 / (n_in + n_out)) * rng.standard_normal((n_out, n_in))


def glorot_uniform(rng: Any, n_out: int, n_in: int) -> Any:
    """Uniform ``±√(6/(n[l−1] + n[l]))`` (Glorot and Bengio 2010, eq. 16)."""
    return math.sqrt(6.0 / (n_in + n_out)) * rng.uniform(-1.0, 1.0, (n_out, n_in))


def he_normal(rng: Any, n_out: int, n_in: int) -> Any:
    """Std ``√(2/n[l−1])`` (He et al. 2015): for ReLU, which halves the mean square of a symmetric signal."""
    return math.sqrt(2.0 / n_in) * rng.standard_normal((n_out, n_in))


def he_uniform(rng: Any, n_out: int, n_in: int) -> Any:
    """Uniform ``±√(6/n[l−1])``, the same variance as :func:`he_normal`."""
    return math.sqrt(6.0 / n_in) * rng.uniform(-1.0, 1.0, (n_out, n_in))


def zeros(rng: Any, n_out: int, n_in: int) -> Any:
    """All 0: right for a single layer; in hidden layers, neurons that start equal stay equal (C17)."""
    return 0.0


@dataclass(frozen=True)
class Constant:
    """All weights of a layer equal. If those of the next layer are too, its neurons stay equal (C17).

    Parameters
    ----------
    value : float

    Raises
    ------
    ValueError, TypeError
        If it is no finite number.
    """

    value: float

    def __post_init__(self) -> None:
        finite_number("value", self.value)

    def __call__(self, rng: Any, n_out: int, n_in: int) -> Any:
        """The value itself, for a whole matrix."""
        return self.value


# A neuron's weights do not depend on how many neurons there are: some rows at a time are the same as all at once.
BY_ROWS = (lecun_normal, lecun_uniform, he_normal, he_uniform)

INITIALIZERS: dict[str, Initializer] = {
    initializer.__name__: initializer
    for initializer in (
        lecun_normal,
        lecun_uniform,
        glorot_normal,
        glorot_uniform,
        he_normal,
        he_uniform,
        zeros,
    )
}
