"""Each CUDA kernel, run on a CPU from its own source, against the mathematics that it repeats.

Sizes are no multiples of a warp or a block; what kernels write to starts as NaN and lies between guards.
"""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.dropout import keep_mask
from gpunet.core.losses import LOSSES, cost, output_delta
from gpunet.core.optimizers import update_all
from gpunet.core.penalty import add_gradients
from gpunet.core.plan import Layer, Plan
from gpunet_cupy.batch_kernels import gather_macros, hidden_layer_macros, update_grid, update_kernel_macros
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.products import LEFT, PAIRS, RIGHT, Bfloat16Products, PlainProducts, pitch
from gpunet_cupy.programs.blocked import macros
from gpunet_cupy.sources import source
from gpunet_cupy.support import ELEMENTWISE, braces
from random_plans import DESCENTS, OPTIMIZERS

pytestmark = pytest.mark.slow

DTYPES = ["float32", "float64"]
OUTPUTS = [
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


BFLOAT16_SCALE = 2**-8 / 3e-6  # of the tolerance of float32


def near(got, wanted, dtype, scale=1.0):
    tolerance = scale * (3e-6 if dtype == "float32" else 1e-13)
    return np.allclose(got, wanted, rtol=tolerance, atol=tolerance)


class Stored:
    """Rows as products read them: plain values, or float32 values as bfloat16 parts of some pairs."""

    def __init__(self, dtype, pairs):
        self.dtype, self.pairs = dtype, pairs
        self.number = (dtype == "float32") + (pairs > 0) + (pairs == 1)  # of the variant, for cases in turn
        self.left, self.right = LEFT[-pairs:], RIGHT[-pairs:]
        self.macros = (
            {"PAIRS": pairs, "LEFT": braces(*self.left), "RIGHT": braces(*self.right)}
            if pairs
            else {"PAIRS": 0}
        )

    def empty(self, array, m, n):
        """An array for m rows of n values; what lies between parts is 0."""
        if self.pairs:
            return array(np.zeros((m, self.pairs, pitch(n))), "uint16")
        return array.empty((m, n), self.dtype)

    def hold(self, rows, n, sides, wanted, scale=1.0):
        """Whether values in `rows` are those `wanted`, NaN too: of single parts, within their rounding."""
        scale, found = max(scale, BFLOAT16_SCALE) if self.pairs == 1 else scale, self.values(rows, n, sides)
        same = np.array_equal(np.isnan(found), np.isnan(wanted))
        return same and near(np.nan_to_num(found), np.nan_to_num(wanted), self.dtype, scale)

    def values(self, rows, n, sides):
        """The values in `rows`; every pair has the part that it needs, and what lies between is still 0."""
        if not self.pairs:
            return rows
        assert not rows[:, :, n:].any()
        parts = (rows[:, :, :n].astype("uint32") << 16).view("float32")
        if self.pairs == 1:
            return parts[:, 0]
        found = [parts[:, sides.index(part)] for part in range(3)]
        for pair, part in enumerate(sides):
            assert np.array_equal(parts[:, pair], found[part], equal_nan=True)
        assert (np.abs(found[1]) <= np.abs(found[0]) / 256).all() or np.isnan(found[0]).any()
        return np.sum(found, axis=0, dtype="float64").astype("float32")


STORED = pytest.mark.parametrize(
    "stored",
    [Stored("float64", 0), Stored("float32", 0), Stored("float32", PAIRS), Stored("float32", 1)],
    ids=["float64", "float32", "parts", "bfloat16"],
)


def partial_sums(array, values, count, dtype, rng, room=4):
    """`values` as `count` partial sums; arrays of them are `room` values longer. Returns the array and its stride."""
    values = np.asarray(values, dtype="float64")
    terms = rng.normal(size=(count - 1, *values.shape))
    whole = np.full((count, values.size + room), np.nan)
    whole[:, : values.size] = np.concatenate([terms, [values - terms.sum(axis=0)]]).reshape(count, -1)
    return array(whole, dtype), np.int64(values.size + room), np.int32(count)


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
