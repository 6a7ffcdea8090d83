"""Initial weights against the published variances."""

import math

import numpy as np
from numpy.testing import assert_allclose

VARIANCES = {  # C16, for a layer with n inputs and k units
    "lecun_normal": lambda n, k: 1 / n,
    "lecun_uniform": lambda n, k: 1 / n,
    "glorot_normal": lambda n, k: 2 / (n + k),
    "glorot_uniform": lambda n, k: 2 / (n + k),
    "he_normal": lambda n, k: 2 / n,
    "he_uniform": lambda n, k: 2 / n,
    "zeros": lambda n, k: 0.0,
}


def check_initializers(room):
    """Mean 0 and the published variance; the uniform ones keep within their limits (C16)."""
    n, k = 500, 200
    for name, start in room.initializers.INITIALIZERS.items():
        W = np.broadcast_to(start(np.random.default_rng(1), k, n), (k, n))
        true = VARIANCES[name](n, k)
        # 10⁵ draws: the sample variance is within a few times √(2/10⁵) of the true one.
        assert_allclose(W.var(), true, rtol=0.025, err_msg=name)
        assert_allclose(W.mean(), 0.0, atol=5 * math.sqrt(true / W.size), err_msg=name)
        if name.endswith("uniform"):
            limit = math.sqrt(3 * true)
            assert 0.999 * limit < np.abs(W).max() <= limit, name
