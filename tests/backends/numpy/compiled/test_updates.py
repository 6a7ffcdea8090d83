"""Update rules as in the core, with random hyperparameters: none has its default."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet_numpy.compiled import gemv, rules, updates
from gpunet_numpy.compiled import tiles as compiled_tiles

pytestmark = pytest.mark.slow


def optimizers(seed):
    rng = np.random.default_rng(seed)

    def number(low, high):
        return float(rng.uniform(low, high))

    rate, decay = number(0.01, 0.2), number(0.1, 0.9)
    return {
        "plain": gn.GradientDescent(rate, weight_decay=decay),
        "momentum": gn.GradientDescent(rate, number(0.2, 0.8), weight_decay=decay),
        "nesterov": gn.GradientDescent(rate, number(0.2, 0.8), nesterov=True, weight_decay=decay),
        "adam": gn.Adam(rate, number(0.2, 0.8), number(0.5, 0.95), number(1e-3, 1e-1), decay),
        "adamw": gn.AdamW(rate, number(0.2, 0.8), number(0.5, 0.95), number(1e-3, 1e-1), decay),
        "rmsprop": gn.RMSprop(rate, number(0.5, 0.95), number(1e-3, 1e-1), decay),
    }


def drawn(optimizer, seed, shape=(33,), dtype="float64"):
    """θ, two slots (whether the rule has them or not), gradient and the coefficients of some step."""
    rng = np.random.default_rng(seed)
    theta, v, s, g = (rng.standard_normal(shape).astype(dtype) for _ in range(4))
    c = np.array(optimizer.coefficients(3, 10, 4 + seed), dtype=dtype)
    return theta, np.abs(v), np.abs(s), g, c


def expected_of(optimizer, theta, v, s, g, c, decays):
    if decays:
        theta = (1 - c[0] * optimizer.weight_decay) * theta
    return optimizer.update(xp, theta, g, (v, s)[: optimizer.slots], c)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("decays", [True, False])
@pytest.mark.parametrize("name", optimizers(0))
def test_update(name, decays, dtype, from_python):
    for seed in range(3):
        optimizer = optimizers(seed)[name]
        rule = rules.rule_of(optimizer, dtype)
        theta, v, s, g, c = drawn(optimizer, seed, dtype=dtype)
        wanted, slots = expected_of(optimizer, theta, v, s, g, c, decays)
        others = [one.copy() for one in (v, s)[optimizer.slots :]]
        shrink = c.dtype.type(
            from_python(updates.shrinkage)(rule, c) if decays else 1
        )  # Python has no float32
        from_python(updates.update)(rule, c, shrink, theta, v, s, g)
        near = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-13, "atol": 1e-14}
        assert np.allclose(theta, wanted, **near)
        for found, slot in zip((v, s), slots, strict=False):
            assert np.allclose(found, slot, **near)
        assert all(np.array_equal(a, b) for a, b in zip((v, s)[optimizer.slots :], others, strict=True))


@pytest.mark.parametrize("name", ["plain", "momentum"])
def test_products_update_in_place(name, from_python):
    """Weights and biases along a sum of outer products, as :func:`update` along the gradient."""
    optimizer = optimizers(1)[name]
    rule = rules.rule_of(optimizer)
    linear_step = from_python(updates.linear_step)
    rng = np.random.default_rng(0)
    for B in (1, 3):
        D, A = rng.standard_normal((B, 5)), rng.standard_normal((B, 9))
        W, V, _, _, c = drawn(optimizer, B, (5, 9))
        wanted, slots = expected_of(optimizer, W, V, V, D.T @ A, c, True)
        momentum = V if optimizer.slots else W
        step = updates.LinearStep(*linear_step(rule, c, 1 - c[0] * rule.decay))
        from_python(gemv.outer_update)(step, W, momentum, D, A)
        assert np.allclose(W, wanted, rtol=1e-13)
        if slots:
            assert np.allclose(V, slots[0], rtol=1e-13)
        b, v, _, _, c = drawn(optimizer, B + 10, (5,))
        wanted, slots = expected_of(optimizer, b, v, v, D.sum(axis=0), c, False)
        step = updates.LinearStep(*linear_step(rule, c, 1.0))
        from_python(gemv.bias_update)(step, b, v if optimizer.slots else b, D)
        assert np.allclose(b, wanted, rtol=1e-13)
        if slots:
            assert np.allclose(v, slots[0], rtol=1e-13)


@pytest.mark.parametrize("name", optimizers(0))
@pytest.mark.parametrize("chunks", [1, 3])
def test_products_of_chunks(name, chunks, from_python):
    """A batch's product goes to its target in chunks, and `finish` does the rest."""
    optimizer = optimizers(2)[name]
    rule = rules.rule_of(optimizer)
    in_place = rule.code <= rules.MOMENTUM and chunks == 1
    theta, v, s, g, c = drawn(optimizer, 5)
    wanted, slots = expected_of(optimizer, theta, v, s, g, c, True)
    gradient = np.full(33, np.nan)
    elsewhere = 0 if in_place else 4  # rows further down: there is an array for a few rows only, or for all
    state = (theta, v, s)
    shrink = 1 - c[0] * rule.decay
    target = gradient if not in_place else theta if rule.code == rules.PLAIN else v
    for chunk in range(chunks):
        keep, factor = from_python(compiled_tiles.product)(rule, c, shrink, in_place, chunk == 0)
        old = keep * target if keep else 0
        target[:] = old + factor * g / chunks
    place, tiles = (0, 11, 11), [(0, 2, 0, 8), (0, 2, 8, 11), (2, 3, 0, 11)]
    for tile in tiles if chunks == 1 else [(0, 3, 0, 11)]:
        moved = gradient if in_place else np.concatenate([np.full(elsewhere * 11, np.nan), gradient])
        from_python(compiled_tiles.finish)(rule, c, in_place, state, moved, place, tile, tile[0] + elsewhere)
    assert np.allclose(theta, wanted, rtol=1e-12)
    for found, slot in zip((v, s), slots, strict=False):
        assert np.allclose(found, slot, rtol=1e-12)


def test_rules_know_their_own_optimizers_only():
    class Own(gn.Adam):
        pass

    assert rules.rule_of(Own()) is None
    assert rules.rule_of(gn.GradientDescent(0.1, 0.5)).code == rules.MOMENTUM
    assert rules.rule_of(gn.AdamW()).code == rules.ADAM
    assert rules.rule_of(gn.Adam(), "float32").epsilon.dtype == "float32"
