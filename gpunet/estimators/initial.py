"""Initial weights as scikit-learn draws them: the same numbers from the same ``random_state``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def glorot_uniform(
    random_state: Any, sizes: Sequence[int], activations: Sequence[Any], dtype: Any
) -> tuple[list[Any], list[Any]]:
    """Weights and biases, uniform in ``±√(6 / (n[l−1] + n[l]))``; 2 in the place of 6 for sigmoid.

    After Glorot and Bengio 2010.

    Parameters
    ----------
    random_state : numpy.random.RandomState
    sizes : sequence of int
        n[0] … n[L].
    activations : sequence
        Of each layer, by which its range is chosen; the output's range follows the layer before it, if there is one.
    dtype : dtype

    Returns
    -------
    coefs : list of array ``(n[l−1], n[l])``
    intercepts : list of array ``(n[l],)``
    """
    coefs, intercepts = [], []
    for l in range(1, len(sizes)):
        chosen = activations[min(l, max(len(activations) - 1, 1)) - 1]
        bound = math.sqrt((2.0 if chosen == "sigmoid" else 6.0) / (sizes[l - 1] + sizes[l]))
        shape = (sizes[l - 1], sizes[l])
        coefs.append(random_state.uniform(-bound, bound, shape).astype(dtype, copy=False))
        intercepts.append(random_state.uniform(-bound, bound, sizes[l]).astype(dtype, copy=False))
    return coefs, intercepts
