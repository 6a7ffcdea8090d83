"""Each CUDA kernel, run on a CPU from its own source, against the mathematics that it repeats.

Sizes are no multiples of a warp or a block; what kernels write to starts as NaN and lies between guards.
"""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES, cost, output_delta
from gpunet.core.optimizers import update_all
from gpunet.core.plan import Layer, Plan
from gpunet_cupy.programs.blocked import macros
from gpunet_cupy.sources import source
from gpunet_cupy.support import ELEMENTWISE, update_macros
from random_plans import DESCENTS, OPTIMIZERS

pytestmark = pytest.mark.slow

DTYPES = ["float32", "float64"]
PAIRS = [
    ("softmax", "cross_entropy"),
    ("sigmoid", "logistic"),
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("tanh", "absolute_error"),
]
GUARD = 64


class Guarded:
    """Arrays that notice writes beside them."""

    def __init__(self):
        self.made = []

    def __call__(self, values, dtype):
        values = np.asarray(values, dtype=dtype)
        room = np.full(values.size + 2 * GUARD, 77, dtype=dtype)
        view = room[GUARD:-GUARD].reshape(values.shape)
        view[...] = values
        self.made.append(room)
        return view

    def empty(self, shape, dtype):
        return self(np.full(shape, np.nan), dtype)

    def check(self):
        for room in self.made:
            assert (room[:GUARD] == 77).all() and (room[-GUARD:] == 77).all(), (
                "a kernel wrote beside an array"
            )


@pytest.fixture
def array():
    guarded = Guarded()
    yield guarded
    guarded.check()


@pytest.fixture
def kernel(cpu, thread_order):
    def get(dtype, file, name, **macros):
        return cpu.RawModule(code=source(dtype, file, **macros)).get_function(name)

    return get


def launch(kernel, threads, *arguments):
    kernel((-(-threads // 96),), (96,), arguments)


def near(got, wanted, dtype, scale=1.0):
    tolerance = scale * (3e-6 if dtype == "float32" else 1e-13)
    return np.allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_forward_and_backward(name, dtype, kernel, array, rng):
    m, n, partials, stride = 37, 13, 5, 20
    Z, b, dA = (
        rng.normal(0, 3, (m, n)).astype(dtype),
        rng.normal(0, 1, n).astype(dtype),
        rng.normal(0, 1, (m, n)),
    )
    Z[0, :4] = [1000, -1000, 0, np.nan]
    b[:4] = 0
    g = ACTIVATIONS[name]
    A = array(Z, dtype)
    launch(
        kernel(dtype, "batches/hidden_layer.cu", "forward", UNITS=n, ACTIVATION=name.upper()),
        m * n,
        A,
        array(b, dtype),
        np.int32(m),
    )
    with np.errstate(all="ignore"):
        wanted = g.forward(xp, Z + b)
    assert np.isnan(A[0, 3])
    assert np.allclose(A, wanted, rtol=3e-6, atol=3e-6, equal_nan=True)
    Z[0, :4] = A[0, :4] = 0.5
    Z, A[...] = (Z + b).astype(dtype), g.forward(xp, (Z + b).astype(dtype))
    backward = kernel(dtype, "batches/hidden_layer.cu", "backward", UNITS=n, ACTIVATION=name.upper())
    D, sums = array(dA, dtype), array.empty((partials, stride), dtype)
    numbers = (np.int32(partials), np.int32(stride))
    launch(backward, partials * n, D, A, sums, np.int32(m), *numbers, np.int32(0))
    wanted = g.backward(xp, dA, Z, A)
    assert near(D, wanted, dtype, 10)
    assert near(sums[:, :n].sum(axis=0), wanted.sum(axis=0), dtype, 100)
    assert np.isnan(sums[:, n:]).all()
    later = array(np.ones((2, n)), dtype)  # fewer rows than partial sums, added to what is there
    launch(backward, partials * n, later, A[:2], sums, np.int32(2), *numbers, np.int32(1))
    wanted = wanted.sum(axis=0) + g.backward(xp, np.ones((2, n)), Z[:2], A[:2]).sum(axis=0)
    assert near(sums[:, :n].sum(axis=0), wanted, dtype, 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_output_delta(activation, loss, n, dtype, kernel, array, rng):
    m, batch, step, first, examples = 7, 20, 2, 5, 100
    Z, b = rng.normal(0, 2, (m, n)).astype(dtype), rng.normal(0, 1, (n, 1)).astype(dtype)
    Z[1], Z[2] = 500 * np.sign(Z[1]), 0  # outputs that round to 0 or 1
    Y = rng.uniform(0, 1, (examples, n)).astype(dtype)
    weights = rng.uniform(0.5, 2, examples).astype(dtype)
    order = rng.permutation(examples).astype(np.int32)
    run = kernel(
        dtype,
        "batches/output_delta.cu",
        "output_delta",
        UNITS=n,
        ACTIVATION=activation.upper(),
        LOSS=loss.upper(),
    )
    for given, weighted in ((order, True), (None, False)):
        start = step * batch + first
        chosen = np.arange(start, start + m) if given is None else order[start : start + m]
        w = weights[chosen][None, :] if weighted else None
        D, losses = array(Z, dtype), array.empty(batch, dtype)
        numbers = (np.int32(batch), np.int32(first), np.int32(m), np.int32(m))
        data = (Y, weights if weighted else None, given, np.full(1, step, np.int32))
        launch(run, 32 * m, D, b, *data, *numbers, losses)
        columns = (Z.T + b).astype("float64")
        A = ACTIVATIONS[activation].forward(xp, columns)
        known = (xp, LOSSES[loss], activation, columns, A, Y[chosen].T.astype("float64"), w)
        assert near(D, output_delta(*known).T, dtype)
        assert near(
            losses[first : first + m].mean(dtype="float64"), cost(*known), dtype, max(1, abs(cost(*known)))
        )
        assert np.isnan(np.delete(losses, np.arange(first, first + m))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather(dtype, kernel, array, rng):
    m, n, batch, step, first = 9, 13, 20, 3, 4
    order, at = rng.permutation(90).astype(np.int32), np.full(1, step, np.int32)
    chosen = order[step * batch + first :][:m]
    numbers = (np.int32(batch), np.int32(first), np.int32(m))
    X = rng.normal(size=(90, n)).astype(dtype)
    out = array.empty((m, n), dtype)
    launch(kernel(dtype, "batches/gather.cu", "gather", INPUTS=n), m * n, X, order, at, *numbers, out)
    assert np.array_equal(out, X[chosen])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_update(optimizer, dtype, kernel, array, rng):
    weights, output_weights, biases, partials, slots = 101, 20, 7, 3, optimizer.slots
    W, b = rng.normal(size=(weights, 1)).astype(dtype), rng.normal(size=(biases, 1)).astype(dtype)
    dW, sums = rng.normal(size=(weights, 1)).astype(dtype), rng.normal(size=(partials, biases)).astype(dtype)
    kept = np.abs(rng.normal(size=(slots, weights + biases))).astype(dtype)
    c = np.array([optimizer.coefficients(7 * i, 100, 7 * i) for i in range(4)], dtype=dtype)
    theta, after = array(np.concatenate([W, b]).ravel(), dtype), array(kept, dtype)
    sizes = {"WEIGHTS": weights, "BIASES": biases, "OUTPUT_WEIGHTS": output_weights}
    run = kernel(dtype, "batches/update.cu", "update", **update_macros(optimizer), **sizes)
    sums_W = rng.normal(size=(partials, output_weights)).astype(dtype)
    given = (theta, after, dW, sums_W, sums, np.int32(partials), c, np.full(1, 2, np.int32))
    launch(run, weights + biases, *given)
    state = [tuple(tuple(k[s][:, None] for k in kept) for s in (slice(weights), slice(weights, None)))]
    whole = np.concatenate([dW[:-output_weights], sums_W.sum(axis=0)[:, None]])
    gradients = [(whole, sums.sum(axis=0)[:, None])]
    [(W, b)], [(slots_W, slots_b)] = update_all(xp, optimizer, [(W, b)], gradients, state, c[2])
    assert near(theta, np.concatenate([W, b]).ravel(), dtype, 10)
    wanted = [np.concatenate([p, q]).ravel() for p, q in zip(slots_W, slots_b, strict=True)]
    assert near(after, np.array(wanted).reshape(after.shape), dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 63, 200])
def test_finish_step(count, dtype, kernel, array, rng):
    values, losses, step = (
        array(rng.normal(size=count), dtype),
        array.empty(4, dtype),
        np.full(1, 2, np.int32),
    )
    sizes = {"WEIGHTS": 1, "BIASES": 1, "OUTPUT_WEIGHTS": 0}
    run = kernel(dtype, "batches/update.cu", "finish_step", **update_macros(gn.Adam()), **sizes)
    run((1,), (64,), (values, np.int32(count), np.int32(count), losses, step), shared_mem=8 * 64)
    assert step[0] == 3 and near(losses[2], values.mean(dtype="float64"), dtype)
    assert np.isnan(losses[[0, 1, 3]]).all()


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
