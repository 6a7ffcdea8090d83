"""Many updates at once of weights whose gradient is 0 are those of the rules, one after the other."""

import numpy as np
import pytest

import gpunet as gn
from gpunet_numpy.compiled.sparse_rows.idle import idle, powers_of
from gpunet_numpy.compiled.updates import rule_of, shrinkage, update
from random_plans import OPTIMIZERS

pytestmark = pytest.mark.slow

UNUSUAL = {
    "adam-slow-mean": gn.Adam(0.01, beta1=0.99, beta2=0.5, epsilon=1e-3),  # steps grow at first
    "adam-no-mean": gn.Adam(0.01, beta1=0.0, beta2=0.9),
    "adamw-default": gn.AdamW(0.001),
}


def both(from_python, optimizer, dtype, first, last, n=21, change=lambda v, s: None):
    """``(θ, v, s)`` after :func:`idle`, and after as many calls of :func:`update`."""
    rule = rule_of(optimizer, dtype)
    c = np.array([optimizer.coefficients(t, last + 3, t) for t in range(last)], dtype=dtype)
    rng = np.random.default_rng(n)
    row = [rng.standard_normal(n), rng.standard_normal(n) / 100, rng.uniform(0, 1e-4, n)]
    if isinstance(optimizer, gn.RMSprop):  # whose one slot holds squares
        row[1] = row[2].copy()
    change(*row[1:])
    results = []
    for many in (True, False):
        theta, v, s = (one.astype(dtype) for one in row)
        if optimizer.slots < 2:
            s = v
        if optimizer.slots < 1:
            v = s = theta
        if many:
            roots, powers = np.full(n, np.nan, dtype), powers_of(rule, last)
            from_python(idle)(rule, c, powers, (theta, v, s), roots, first, last)
        else:
            g = np.zeros(n, dtype)
            for t in range(first, last):
                shrink = np.dtype(dtype).type(from_python(shrinkage)(rule, c[t]))
                from_python(update)(rule, c[t], shrink, theta, v, s, g)
        results.append((theta, v, s))
    return results


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*OPTIMIZERS, *UNUSUAL])
def test_as_the_rule_step_by_step(name, dtype, from_python):
    optimizer = {**OPTIMIZERS, **UNUSUAL}[name]
    tolerance = {"rtol": 1e-11, "atol": 1e-15} if dtype == "float64" else {"rtol": 2e-4, "atol": 1e-7}
    for first, last in ((0, 1), (3, 4), (2, 9), (0, 40), (5, 700)):
        got, expected = both(from_python, optimizer, dtype, first, last)
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == dtype
            assert np.allclose(one, other, **tolerance), (first, last)


@pytest.mark.parametrize("name", ["momentum-decay", "nesterov", "adam", "adamw", "rmsprop"])
def test_slots_of_0(name, from_python):
    for zero in ("v", "s", "both"):

        def change(v, s, zero=zero):
            if zero != "s":
                v[:] = 0
            if zero != "v":
                s[:] = 0

        got, expected = both(from_python, OPTIMIZERS[name], "float64", 1, 30, change=change)
        for one, other in zip(got, expected, strict=True):
            assert np.allclose(one, other, rtol=1e-11, atol=0)


def test_powers():
    powers = powers_of(rule_of(gn.Adam(beta1=0.5, beta2=0.25)), 2)
    assert powers.tolist() == [[1, 0.5, 0.25, 0.125], [1, 0.5, 0.25, 0.125]]
    assert powers_of(rule_of(gn.RMSprop(decay=0.5)), 1)[0].tolist() == [1, 0.5, 0.25]
    assert powers_of(rule_of(gn.GradientDescent(0.1, 0.75)), 1)[0].tolist() == [1, 0.75, 0.5625]
