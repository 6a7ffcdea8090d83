"""Many updates at once of weights whose gradient is 0 are those of the rules, one after the other."""

import numpy as np
import pytest

import gpunet as gn
from gpunet_numpy.compiled.rules import rule_of
from gpunet_numpy.compiled.sparse_rows.buffers import powers_of
from gpunet_numpy.compiled.sparse_rows.idle import idle, series, series_end
from gpunet_numpy.compiled.updates import shrinkage, update
from random_plans import OPTIMIZERS

pytestmark = pytest.mark.slow

UNUSUAL = {
    "adam-slow-mean": gn.Adam(0.01, beta1=0.99, beta2=0.5, epsilon=1e-3),  # steps grow at first
    "adam-no-mean": gn.Adam(0.01, beta1=0.0, beta2=0.9),
    "adamw-default": gn.AdamW(0.001),
    "adam-large-epsilon": gn.Adam(0.01, epsilon=0.1),  # as large as the roots
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


def steps(optimizer, first, last):
    """``(a, b)`` of the steps from `first` on, with the slots before it; and the rule and arrays for a kernel."""
    t, k = np.arange(first, last), np.arange(1, last - first + 1)
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    a = optimizer.learning_rate * beta1**k / (1 - beta1 ** (t + 1.0))
    b = np.sqrt(beta2**k / (1 - beta2 ** (t + 1.0)))
    rule = rule_of(optimizer, "float64")
    coefficients = np.array([optimizer.coefficients(t, last, t) for t in range(last)])
    return a, b, (rule, coefficients, powers_of(rule, last))


@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_a_series_is_as_exact_as_float32(decay, from_python):
    optimizer = gn.AdamW(0.01, weight_decay=decay, epsilon=0.03)
    first, last = 40, 48  # b falls by a twelfth
    a, b, given = steps(optimizer, first, last)
    c = (b[0] + b[-1]) / 2
    delta = abs(b / c - 1).max()
    assert 0.02 < delta < 2.0**-4
    v, roots = np.linspace(-1, 1, 9), np.geomspace(1e-4, 10, 9)
    left = (1 - 0.01 * decay) ** np.arange(last - first - 1, -1, -1)
    expected = -(left * a * v[:, None] / (b * roots[:, None] + 0.03)).sum(axis=1)
    theta = np.zeros(9)
    from_python(series)(*given, (theta, v, roots), first, first, last)
    assert np.allclose(theta, expected, rtol=2 * delta**6, atol=1e-17)
    theta[:] = 1
    from_python(series)(*given, (theta, np.zeros(9), roots), first, first, last)
    assert np.allclose(theta, (1 - 0.01 * decay) ** (last - first), rtol=1e-15)


@pytest.mark.parametrize(("dtype", "width"), [("float32", 2.0**-4), ("float64", 2.0**-9)])
def test_where_a_series_ends(dtype, width, from_python):
    for first, last in ((0, 30), (10, 90), (3000, 3400)):
        _, b, (_, coefficients, powers) = steps(gn.Adam(0.01), first, last)
        coefficients, at = coefficients.astype(dtype), first
        while at < last:
            start = np.dtype(dtype).type(b[at - first])
            end = from_python(series_end)(coefficients, powers, first, at, last, start)
            inside, outside = b[at - first : end - first], b[at - first : end - first + 1]
            for some, within in ((inside, True), (outside, end == last)):
                half = (some[0] - some[-1]) / (some[0] + some[-1])
                assert (half <= width * 1.001) == within or end - at == 1
            at = end


def test_a_series_ends_before_a_negligible_step(from_python):
    optimizer = gn.Adam(0.01, beta1=0.5, beta2=1 - 2.0**-20)
    _, b, (_, coefficients, powers) = steps(optimizer, 2000, 2100)
    assert b[-1] > 0.95 * b[0]
    assert (
        from_python(series_end)(coefficients.astype("float32"), powers, 2000, 2000, 2100, np.float32(b[0]))
        == 2064
    )


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


def test_one_slot_of_0_and_a_tiny_epsilon(from_python):
    def change(v, s):
        v[3] = s[3] = 0

    optimizer = gn.Adam(10.0, epsilon=2e-38)  # 1 / ε, times a large step, is infinite in float32
    got, expected = both(from_python, optimizer, "float32", 100, 130, change=change)
    assert np.allclose(got[0], expected[0], rtol=2e-4)


def test_powers():
    powers = powers_of(rule_of(gn.Adam(beta1=0.5, beta2=0.25)), 2)
    assert powers.tolist() == [[1, 0.5, 0.25, 0.125], [1, 0.5, 0.25, 0.125]]
    assert powers_of(rule_of(gn.RMSprop(decay=0.5)), 1)[0].tolist() == [1, 0.5, 0.25]
    assert powers_of(rule_of(gn.GradientDescent(0.1, 0.75)), 1)[0].tolist() == [1, 0.75, 0.5625]
