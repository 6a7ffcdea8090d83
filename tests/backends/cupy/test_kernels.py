"""Each CUDA kernel, run on a CPU from its own source, against the mathematics that it repeats.

Sizes are no multiples of a warp or a block; what kernels write to starts as NaN and lies between guards.
"""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.dropout import keep_mask
from gpunet.core.losses import LOSSES, cost, output_delta
from gpunet.core.plan import Layer, Plan
from gpunet_cupy.batch_kernels import gather_macros, hidden_layer_macros
from gpunet_cupy.support import ELEMENTWISE
from kernel_arrays import STORED, launch, near, partial_sums

pytestmark = pytest.mark.slow

DTYPES = ["float32", "float64"]


OUTPUTS = [
    ("softmax", "cross_entropy"),
    ("sigmoid", "logistic"),
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("tanh", "absolute_error"),
]


@STORED
@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_forward_and_backward(name, stored, kernel, array, rng):
    drops = (sorted(ELEMENTWISE).index(name) + stored.number) % 2 == 0  # half of the cases
    dtype, m, n, first, count, sums_rows, stride = stored.dtype, 37, 13, 4, 50, 5, 20
    layers = (Layer(3, n, name), Layer(n, 2, "identity", 0.3 if drops else 0.0))
    plan = Plan(layers, "squared_error", gn.Adam(), 99, count, dtype)
    keys, base, offset = (
        rng.integers(-9, 9, (6, 2)).astype("int32") << 20,
        np.full(1, 2, np.int32),
        np.int32(1),
    )
    keep = np.ones((n, count))
    if drops:
        keep = keep_mask(xp, keys[3, 1], (n, count), 0.3, like=np.empty(0))
        assert 0.1 < (keep == 0).mean() < 0.5
    keep = keep[:, first : first + m].T
    position = (keys, base, offset, *map(np.int32, (first, m, count)))
    Z, b = rng.normal(0, 3, (m, n)).astype(dtype), rng.normal(0, 1, n).astype(dtype)
    Z[0, :4], b[:4] = [1000, -1000, 0, np.nan], 0
    g = ACTIVATIONS[name]
    file, macros = "batches/hidden_layer.cu", {**stored.macros, **hidden_layer_macros(plan, 0)}
    A, out = array.empty((m, n), dtype), stored.empty(array, m, n)
    partials = partial_sums(array, Z, 1, dtype, rng)
    launch(kernel(dtype, file, "forward", **macros), m * n, *partials, array(b, dtype), *position, A, out)
    with np.errstate(all="ignore"):
        wanted = g.forward(xp, Z + b)
    assert np.isnan(A[0, 3])
    assert np.allclose(A, wanted, rtol=3e-6, atol=3e-6, equal_nan=True)
    assert stored.hold(out[1:], n, stored.left, (A * keep)[1:])
    again = stored.empty(array, m, n)  # from three partial sums, without A
    partials = partial_sums(array, Z[1:], 3, dtype, rng)
    position = (keys, base, offset, *map(np.int32, (first + 1, m - 1, count)))
    launch(kernel(dtype, file, "forward", **macros), m * n, *partials, b, *position, None, again)
    assert stored.hold(again[: m - 1], n, stored.left, (A * keep)[1:], 20)

    position = (keys, base, offset, *map(np.int32, (first, m, count)))
    Z[0, :4] = A[0, :4] = 0.5
    dA, Z = rng.normal(0, 1, (m, n)), (Z + b).astype(dtype)
    A[...] = g.forward(xp, Z)
    backward = kernel(dtype, file, "backward", **macros)
    sums, delta = array.empty((sums_rows, stride), dtype), stored.empty(array, m, n)
    numbers = (np.int32(sums_rows), np.int32(stride))
    D = partial_sums(array, dA, 2, dtype, rng)
    launch(backward, sums_rows * n, *D, A, *position, delta, sums, *numbers, np.int32(0))
    wanted = g.backward(xp, dA * keep, Z, A)
    assert stored.hold(delta, n, stored.right, wanted, 10)
    assert near(sums[:, :n].sum(axis=0), wanted.sum(axis=0), dtype, 100)
    assert np.isnan(sums[:, n:]).all()
    # Fewer rows than partial sums, added to what is there.
    later = (array(np.ones((2, n)), dtype), np.int64(0), np.int32(1))
    position = (keys, base, offset, *map(np.int32, (first, 2, count)))
    launch(backward, sums_rows * n, *later, A[:2], *position, delta, sums, *numbers, np.int32(1))
    wanted = wanted.sum(axis=0) + g.backward(xp, keep[:2], Z[:2], A[:2]).sum(axis=0)
    assert near(sums[:, :n].sum(axis=0), wanted, dtype, 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize(("activation", "loss"), OUTPUTS)
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
    base, offset = np.full(1, step - 1, np.int32), np.int32(1)
    for given, weighted, count in ((order, True, 1), (None, False, 3)):
        start = step * batch + first
        chosen = np.arange(start, start + m) if given is None else order[start : start + m]
        w = weights[chosen][None, :] if weighted else None
        products, losses = partial_sums(array, Z, count, dtype, rng), array.empty(batch, dtype)
        numbers = (np.int32(batch), np.int32(first), np.int32(m), np.int32(m))
        data = (Y, weights if weighted else None, given, base, offset)
        launch(run, 32 * m, *products, b, *data, *numbers, losses)
        D = products[0][0, : m * n].reshape(m, n)
        columns = (Z.T + b).astype("float64")
        A = ACTIVATIONS[activation].forward(xp, columns)
        known = (xp, LOSSES[loss], activation, columns, A, Y[chosen].T.astype("float64"), w)
        assert near(D, output_delta(*known).T, dtype, count)
        J = cost(*known)
        assert near(losses[first : first + m].mean(dtype="float64"), J, dtype, count * max(1, abs(J)))
        assert np.isnan(np.delete(losses, np.arange(first, first + m))).all()


@STORED
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("n", [13, 12])
def test_gather(n, drops, stored, kernel, array, rng):
    dtype, m, batch, step, first, count = stored.dtype, 9, 20, 3, 4, 17
    plan = Plan(
        (Layer(n, 2, "identity", 0.4 if drops else 0.0),), "squared_error", gn.Adam(), 90, batch, dtype
    )
    order, base = rng.permutation(90).astype(np.int32), np.full(1, step - 2, np.int32)
    keys = rng.integers(-9, 9, (6, 1)).astype("int32") << 20
    keep = keep_mask(xp, keys[step, 0], (n, count), 0.4, like=np.empty(0)) if drops else np.ones((n, count))
    run = kernel(dtype, "batches/gather.cu", "gather", **stored.macros, **gather_macros(plan))
    X = rng.normal(size=(90, n)).astype(dtype)
    numbers = map(np.int32, (2, batch, first, m, count))
    out = stored.empty(array, m, n)
    launch(run, m * n, X, order, keys, base, *numbers, out, None, None)
    wanted = X[order[step * batch + first :][:m]] * keep[:, first : first + m].T
    assert stored.hold(out, n, stored.left, wanted, 0.1)
    if dtype == "float32":  # NaN that rounding up would make -0
        X[step * batch + first, 5] = np.uint32(0x7FFFFFFF).view("float32")
    numbers = map(np.int32, (2, batch, first, m, count))
    launch(run, m * n, X, None, keys, base, *numbers, out, None, None)
    wanted = X[step * batch + first :][:m] * keep[:, first : first + m].T
    assert stored.hold(out, n, stored.left, wanted, 0.1)
