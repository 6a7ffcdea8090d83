"""The CUDA kernels that update parameters, run on a CPU from their own source, against the optimizers' equations."""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.optimizers import update_all
from gpunet.core.penalty import add_gradients
from gpunet.core.plan import Layer, Plan
from gpunet_cupy.batch_kernels import update_grid, update_kernel_macros
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.products import Bfloat16Products, PlainProducts, pitch
from gpunet_cupy.programs.blocked import macros
from kernel_arrays import STORED, launch, near
from random_plans import DESCENTS, OPTIMIZERS

pytestmark = pytest.mark.slow

DTYPES = ["float32", "float64"]
# Sizes, products, clip_norm, strength of the penalty.
UPDATES = [
    ((5, 6, 3), 1, 0.5, 0.3),
    ((4, 8, 3), 2, None, 0.7),
    ((11, 12, 1), 2, 1e6, 0.0),
    ((4, 8, 3), 2, 0.2, 0.0),
]


@STORED
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update(name, stored, kernel, array, rng):
    """All parameters, and the parts of the weights that products read. Each rule has one case of each dtype."""
    turn = list(OPTIMIZERS).index(name) + stored.number
    sizes, top, clip_norm, strength = UPDATES[turn % len(UPDATES)]
    optimizer = replace(OPTIMIZERS[name], clip_norm=clip_norm)
    dtype, partials, most, sums, losses_count = stored.dtype, 3, 4, 9, 70
    layers = tuple(Layer(a, b, "identity") for a, b in itertools.pairwise(sizes))
    plan = Plan(layers, "squared_error", optimizer, 99, 9, dtype, penalized=strength > 0)
    layout = ParameterLayout(plan)
    products = Bfloat16Products(plan, top, 9, stored.pairs) if stored.pairs else PlainProducts(plan, top, 9)
    macros = {**stored.macros, **update_kernel_macros(plan, top, most)}
    weights, output_weights = layout.at_W[top - 1].stop, layout.weights - layout.at_W[top - 1].stop
    theta = rng.normal(size=layout.size).astype(dtype)
    slots = np.abs(rng.normal(size=(optimizer.slots, layout.size))).astype(dtype)
    gradients = np.full(most * weights, np.nan)
    sums_W, sums_b = rng.normal(size=(sums, output_weights)), rng.normal(size=(sums, layout.biases))
    whole = np.concatenate([np.zeros(weights), sums_W.sum(axis=0), sums_b.sum(axis=0)])
    for at in layout.at_W[:top]:
        size = at.stop - at.start
        some = rng.normal(size=(partials, size))
        gradients[most * at.start :][: partials * size] = some.ravel()
        whole[at] = some.sum(axis=0)
    c = np.array([optimizer.coefficients(7 * i, 100, 7 * i) for i in range(4)], dtype=dtype)
    if strength:
        c = np.hstack([c, strength * np.arange(4, dtype=dtype)[:, None]])
    step = (c, np.full(1, 1, np.int32), np.int32(1))
    after, kept = array(theta, dtype), array(slots, dtype)
    given = (array(gradients, dtype), np.int32(partials), *(one.astype(dtype) for one in (sums_W, sums_b)))
    given = (*given, np.int32(sums))
    blocks = macros["PARAMETER_BLOCKS"]
    squares, weight_squares = (array.empty(blocks, "float64") for _ in range(2))
    run = {
        name: kernel(dtype, "batches/update.cu", name, **macros)
        for name in ("square_gradient", "square_weights", "update", "split_weights", "advance_base")
    }
    if clip_norm:
        run["square_gradient"]((blocks,), (256,), (after, *given, squares, *step), shared_mem=8 * 256)
    run["square_weights"]((blocks,), (256,), (after, weight_squares), shared_mem=8 * 256)
    penalty = (
        strength * (theta[: layout.weights].astype("float64") ** 2).sum()
    )  # twice ½, in the step with index 2
    assert near(strength * weight_squares.sum(), penalty, "float64")
    parts = array(np.zeros(products.weights_size if stored.pairs else 0), "uint16" if stored.pairs else dtype)
    loss_sums, losses = rng.normal(size=losses_count).astype(dtype), array.empty(4, dtype)
    loss = (loss_sums, np.int32(losses_count), np.int32(11), losses)
    arguments = (after, kept, *given, squares, weight_squares, *step, parts, *loss)
    run["update"]((blocks + 1,), (256,), arguments, shared_mem=8 * 256)

    def pairs(flat):
        flat = flat.astype("float64")
        return [
            (W.reshape(l.units, l.inputs), b)
            for W, b, l in zip(
                (flat[at] for at in layout.at_W),
                (flat[at][:, None] for at in layout.at_b),
                layers,
                strict=True,
            )
        ]

    state = [
        (tuple(one[l][0] for one in map(pairs, slots)), tuple(one[l][1] for one in map(pairs, slots)))
        for l in range(2)
    ]
    now, whole = c[2].astype("float64"), pairs(whole)
    if strength:
        whole = add_gradients(whole, pairs(theta), now[-1])
    expected, new_slots = update_all(xp, optimizer, pairs(theta), whole, state, now)
    assert all(
        near(a, b, dtype, 30)
        for p, q in zip(pairs(after), expected, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    for i in range(optimizer.slots):
        for (W, b), (slots_W, slots_b) in zip(pairs(kept[i]), new_slots, strict=True):
            assert near(W, slots_W[i], dtype, 30) and near(b, slots_b[i], dtype, 30)
    assert near(losses[2], loss_sums.sum(dtype="float64") / 11 + penalty, dtype, 10)
    assert np.isnan(losses[[0, 1, 3]]).all()
    if stored.pairs:
        first = array(np.zeros(products.weights_size), "uint16")
        macros_blocks = update_grid(plan, top)[0]
        run["split_weights"]((macros_blocks,), (256,), (after, first))
        assert np.array_equal(first, parts), "the parts of the updated weights are not those of a new start"
        for l in range(top):
            W, at, row = pairs(after)[l][0], products.right_at[l], products.row(l)
            right = parts[at : at + len(W) * row].reshape(len(W), stored.pairs, -1)
            assert stored.hold(right, sizes[l], stored.right, W, 0.1)
            if l:
                at, units = products.left_at[l], pitch(len(W))
                left = parts[at : at + units * row].reshape(stored.pairs, units, -1)
                assert not left[:, len(W) :].any()
                left = np.moveaxis(left[:, : len(W)], 0, 1)
                assert stored.hold(np.ascontiguousarray(left), sizes[l], stored.left, W, 0.1)
    run["advance_base"]((1,), (1,), (step[1], np.int32(5)))
    assert step[1][0] == 6


def block_coefficients(optimizer, rates):
    """What a block of steps does to W and V, as coefficients of W₀, V₀ and the steps' gradients.

    The rule is linear, so it is applied to the coefficients themselves: W₀, V₀ and the gradients are unit vectors.
    """
    unit = np.eye(2 + len(rates))
    W, V = unit[0], unit[1]
    for step, rate in enumerate(rates):
        slots = (V,) * optimizer.slots
        W, slots = optimizer.update(
            xp, (1 - rate * optimizer.weight_decay) * W, unit[2 + step], slots, [rate]
        )
        V = slots[0] if slots else V
    return W, V


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["decay", "momentum-decay", "nesterov"])
def test_a_block_of_steps(name, dtype, kernel, array, rng):
    """One linear layer: then δ can be computed with plain matrices."""
    optimizer = DESCENTS[name]
    n0, n, B, count, begun = 6, 5, 2, 7, 3  # the last step has one example
    plan = Plan((Layer(n0, n, "identity"),), "squared_error", optimizer, 99, B, dtype)
    X, Y = rng.normal(size=(count, n0)), rng.normal(size=(20, n)).astype(dtype)
    W, V, b = rng.normal(size=(n, n0)), rng.normal(size=(n, n0)), rng.normal(size=n)
    c = np.array([[0.1 / (i + 1)] for i in range(9)], dtype=dtype)
    slots = optimizer.slots
    E, R = array.empty((count, n), dtype), array.empty((count, n), dtype) if slots else None
    bias, slot_b = array(b, dtype), array(np.zeros(n), dtype) if slots else None
    wqp, losses, step = array.empty(3, dtype), array.empty(9, dtype), np.full(1, begun, np.int32)
    defined = macros(plan, 8)
    run = kernel(dtype, "blocked/blocked.cu", "run_block", **defined)
    products = [array(one, dtype) for one in (X @ W.T, X @ V.T, X @ X.T)]
    products[1] = products[1] if slots else None
    unused = array(np.zeros(1), dtype)
    updated = (c, step, bias, unused, slot_b, unused if slots else None)
    arguments = (*products, Y, None, None, np.int32(count), *updated, E, R, wqp, losses)
    run((1,), (defined["THREADS"],), arguments, shared_mem=defined["SHARED_BYTES"])
    J, deltas = [], []
    W_now, V_now, b_now, v = W, V, b[:, None], (np.zeros((n, 1)),) * slots
    for j in range(4):
        x, y = X[2 * j : 2 * j + 2].T, Y[2 * begun + 2 * j : 2 * begun + 2 * j + 2].T
        y = y[:, : x.shape[1]]
        e = W_now @ x + b_now - y
        J.append(0.5 * (e * e).sum() / x.shape[1])
        delta = e / x.shape[1]
        deltas += list(delta.T)
        state = [((V_now,) * slots, v)]
        gradients = [(delta @ x.T, delta.sum(axis=1, keepdims=True))]
        rate = c[begun + j].astype("float64")
        [(W_now, b_now)], [(new, v)] = update_all(xp, optimizer, [(W_now, b_now)], gradients, state, rate)
        V_now = new[0] if slots else V_now
    in_W, in_V = block_coefficients(optimizer, c[begun : begun + 4, 0].astype("float64"))
    u, r = (np.repeat(one[2:], B)[:count, None] for one in (in_W, in_V))
    assert step[0] == begun + 4 and near(losses[begun : begun + 4], J, dtype, 20)
    assert near(E, u * deltas, dtype, 20) and near(bias, b_now.ravel(), dtype, 20)
    assert near(wqp[0] * W + wqp[1] * V + E.T @ X, W_now, dtype, 50)
    assert near(wqp[0], in_W[0], dtype)
    if slots:
        assert near(wqp[1:], [in_W[1], in_V[1]], dtype)
        assert near(R, r * deltas, dtype, 20) and near(wqp[2] * V + R.T @ X, V_now, dtype, 50)
        theta, momentum = array(W, dtype), array(V, dtype)
        combine = kernel(dtype, "blocked/blocked.cu", "combine", **defined)
        launch(combine, W.size, theta, momentum, wqp, np.int32(W.size))
        assert near(theta, wqp[0] * W + wqp[1] * V, dtype, 10) and near(momentum, wqp[2] * V, dtype, 10)
