"""Checks of the formulas in core/ against formulas written out again, example by example, in another way.

Each check takes a *room*: the modules to look at. The real tests hand in gpunet's own; the planted-bug tests
hand in copies with one formula spoilt, and want at least one check to fail.
"""

import importlib
import itertools
import math
from types import SimpleNamespace

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

MODULES = {
    name: f"core.{name}"
    for name in (
        "activations",
        "losses",
        "initializers",
        "dropout",
        "propagation",
        "schedules",
        "optimizers",
        "plan",
        "program",
        "reference",
        "metrics",
    )
} | {"standardizer": "inputs.standardizer"}


def room_of(package):
    """The modules of `package` that the checks look at, as attributes."""
    return SimpleNamespace(
        **{name: importlib.import_module(f"{package}.{path}") for name, path in MODULES.items()}
    )


# --- gradients ----------------------------------------------------------------------------------

STEP = 2e-4  # fourth order: the formula errs by about STEP⁴ = 2e-15, rounding by about 1e-16 / STEP
MARGIN = 0.02  # how far the data keep from every kink, far more than a step can move them


def outputs_of(room, loss):
    """Names of the output activations that make sense with `loss`."""
    return sorted(room.losses.LOSSES[loss].outputs or room.activations.ACTIVATIONS)


def problem(room, sizes, activations, loss, m=4, seed=0):
    """Random float64 parameters, and m examples that lie away from every kink."""
    rng = np.random.default_rng(seed)
    parameters = [
        (0.8 * rng.standard_normal((n, n_in)), 0.5 * rng.standard_normal((n, 1)))
        for n_in, n in itertools.pairwise(sizes)
    ]
    X = rng.standard_normal((sizes[0], 300))
    if loss == "cross_entropy":
        Y = np.eye(sizes[-1])[:, rng.integers(sizes[-1], size=300)]
    elif loss == "logistic":
        Y = rng.integers(2, size=(sizes[-1], 300)).astype(float)
    else:
        Y = rng.uniform(0.05, 0.95, (sizes[-1], 300))
    A, caches = room.propagation.forward(np, activations, parameters, X)
    away = np.all(np.abs(A - Y) > MARGIN, axis=0)
    for cache in caches:
        away &= np.all(np.abs(cache.Z) > MARGIN, axis=0)
    best = np.argsort(~away, kind="stable")[:m]
    assert away[best].all(), "too few examples away from the kinks: choose another seed"
    return parameters, X[:, best], Y[:, best]


def central_differences(J, parameters):
    """∂J/∂θ of every number in `parameters`, by central differences of fourth order."""
    gradients = []
    for layer in parameters:
        pair = []
        for theta in layer:
            slope = np.empty_like(theta)
            for i in np.ndindex(theta.shape):
                kept, values = theta[i], {}
                for k in (-2, -1, 1, 2):
                    theta[i] = kept + k * STEP
                    values[k] = J(parameters)
                theta[i] = kept
                slope[i] = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * STEP)
            pair.append(slope)
        gradients.append(tuple(pair))
    return gradients


def relative_error(found, true):
    """``‖found − true‖ / ‖true‖`` over all parameters together."""
    found, true = (np.concatenate([g.ravel() for layer in gs for g in layer]) for gs in (found, true))
    assert np.linalg.norm(true) > 1e-3, "a gradient this small shows nothing: choose another seed"
    return np.linalg.norm(found - true) / np.linalg.norm(true)


def numerical_gradients(room, activations, loss, parameters, X, Y, weights=None, masks=None):
    """``(J, gradients)`` without a backward pass."""

    def J(parameters):
        A, caches = room.propagation.forward(np, activations, parameters, X, masks)
        return float(
            room.losses.cost(np, room.losses.LOSSES[loss], activations[-1], caches[-1].Z, A, Y, weights)
        )

    return J(parameters), central_differences(J, parameters)


def check_gradients(room):
    """Backward against central differences, with weights and dropout masks (C22)."""
    rng = np.random.default_rng(5)
    for loss in room.losses.LOSSES:
        for output in outputs_of(room, loss):
            # All sizes alike, so that a W that is transposed by mistake still fits.
            activations = ("tanh", "tanh", output)
            parameters, X, Y = problem(room, (3, 3, 3, 3), activations, loss)
            weights = rng.uniform(0.5, 2.0, (1, X.shape[1]))
            masks = [None, 2.0 * rng.integers(2, size=(3, X.shape[1])), None]
            args = (activations, loss, parameters, X, Y, weights, masks)
            J, true = numerical_gradients(room, *args)
            found_J, found = room.propagation.cost_and_gradients(np, *args)
            assert_allclose(found_J, J, rtol=1e-13)
            assert relative_error(found, true) <= 1e-7, (output, loss)


def check_hidden_gradients(room):
    """The same for every hidden activation."""
    for hidden in room.activations.ACTIVATIONS:
        activations = (hidden, hidden, "identity")
        parameters, X, Y = problem(room, (3, 3, 3, 2), activations, "squared_error")
        args = (activations, "squared_error", parameters, X, Y)
        _, true = numerical_gradients(room, *args)
        _, found = room.propagation.cost_and_gradients(np, *args)
        assert relative_error(found, true) <= 1e-7, hidden


# --- values -------------------------------------------------------------------------------------


def _softplus(z):
    return math.log(1 + math.exp(z))


SELU = 1.0507009873554804934, 1.6732632423543772848

FORMULAS = {  # each activation but softmax, as a textbook writes it
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": lambda z: (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z)),
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "selu": lambda z: SELU[0] * (z if z > 0 else SELU[1] * (math.exp(z) - 1)),
    "softplus": _softplus,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "gelu": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "mish": lambda z: z * math.tanh(_softplus(z)),
}


def check_activation_values(room):
    """``g(Z)`` against the textbook, number by number."""
    Z = np.array([[-7.5, -2.0, -0.3, 0.0], [0.2, 1.0, 3.0, 8.0]])
    for name, formula in FORMULAS.items():
        true = np.vectorize(formula, otypes=[float])(Z)
        found = room.activations.ACTIVATIONS[name].forward(np, Z)
        assert_allclose(found, true, rtol=1e-12, atol=1e-15, err_msg=name)
    E = np.exp(Z)
    assert_allclose(room.activations.ACTIVATIONS["softmax"].forward(np, Z), E / (E[:1] + E[1:]), rtol=1e-12)


def textbook_loss(loss, a, y):
    """L of one example: sums over the outputs, written out (C2, C4, C5)."""
    pairs = list(zip(a, y, strict=True))
    if loss == "logistic":
        return -sum(y * math.log(a) + (1 - y) * math.log(1 - a) for a, y in pairs)
    if loss == "cross_entropy":
        return -sum(y * math.log(a) for a, y in pairs)
    if loss == "squared_error":
        return sum((a - y) ** 2 for a, y in pairs) / 2
    return sum(abs(a - y) for a, y in pairs)


def check_loss_values(room):
    """``J = (1/m) Σ_i w(i) L(i)`` for every loss and output (C8)."""
    for loss in room.losses.LOSSES:
        for output in outputs_of(room, loss):
            parameters, X, Y = problem(room, (2, 3), (output,), loss, m=5)
            A, caches = room.propagation.forward(np, (output,), parameters, X)
            w = np.array([[1.0, 2.0, 0.0, 0.5, 3.0]])
            each = [textbook_loss(loss, A[:, i], Y[:, i]) for i in range(5)]
            for weights, true in ((None, sum(each) / 5), (w, float(w[0] @ each) / 5)):
                J = room.losses.cost(np, room.losses.LOSSES[loss], output, caches[0].Z, A, Y, weights)
                assert_allclose(J, true, rtol=1e-12, err_msg=f"{output}, {loss}")


def check_one_layer(room):
    """``δ[L] = (A − Y)/m``, ``dW = δ Xᵀ``, ``db = Σ_i δ(i)`` for the natural pairs (C9), as loops."""
    for output, loss in (
        ("sigmoid", "logistic"),
        ("softmax", "cross_entropy"),
        ("identity", "squared_error"),
    ):
        parameters, X, Y = problem(room, (2, 3), (output,), loss, m=5)
        (W, b), m = parameters[0], 5
        dW, db = np.zeros((3, 2)), np.zeros((3, 1))
        for i in range(m):
            z = [W[k, 0] * X[0, i] + W[k, 1] * X[1, i] + b[k, 0] for k in range(3)]
            total = sum(math.exp(v) for v in z)
            for k in range(3):
                a = {
                    "sigmoid": 1 / (1 + math.exp(-z[k])),
                    "softmax": math.exp(z[k]) / total,
                    "identity": z[k],
                }[output]
                error = (a - Y[k, i]) / m
                dW[k] += error * X[:, i]
                db[k] += error
        _, [(found_W, found_b)] = room.propagation.cost_and_gradients(np, (output,), loss, parameters, X, Y)
        assert_allclose(found_W, dW, rtol=1e-11, atol=1e-15, err_msg=output)
        assert_allclose(found_b, db, rtol=1e-11, atol=1e-15, err_msg=output)


def check_natural_pairs(room):
    """The short way from Z and the general rule through ∂L/∂A agree (C9)."""
    for loss, one in room.losses.LOSSES.items():
        if one.canonical is None:
            continue
        parameters, X, Y = problem(room, (2, 3), (one.canonical,), loss, m=5)
        A, caches = room.propagation.forward(np, (one.canonical,), parameters, X)
        Z = caches[0].Z
        short = room.losses.output_delta(np, one, one.canonical, Z, A, Y, None)
        backward = room.activations.ACTIVATIONS[one.canonical].backward
        assert_allclose(short, backward(np, one.gradient(np, A, Y) / 5, Z, A), rtol=1e-9, atol=1e-15)
        assert_allclose(
            np.sum(one.value_from_Z(np, Z, Y), axis=0), np.sum(one.value(np, A, Y), axis=0), rtol=1e-9
        )


def check_stability(room):
    """Logits of ±10⁴ in float32: everything stays finite, and the cost is right (C4)."""
    Z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=np.float32)
    Y = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for name, g in room.activations.ACTIVATIONS.items():
            A = g.forward(np, Z)
            assert A.dtype == np.float32, name
            assert np.isfinite(A).all(), name
            assert np.isfinite(g.backward(np, np.ones_like(Z), Z, A)).all(), name
            for loss, one in room.losses.LOSSES.items():
                if name in outputs_of(room, loss):
                    args = (np, one, name, Z, A, Y, None)
                    assert np.isfinite(room.losses.cost(*args)), (name, loss)
                    assert np.isfinite(room.losses.output_delta(*args)).all(), (name, loss)
    for output, loss, true in (("sigmoid", "logistic", 2e4), ("softmax", "cross_entropy", 2e4)):
        A = room.activations.ACTIVATIONS[output].forward(np, Z)
        J = room.losses.cost(np, room.losses.LOSSES[loss], output, Z, A, Y, None)
        # Only the second example is wrong, by 2·10⁴ in all; log 2 for the sigmoid whose z is 0.
        extra = math.log(2) if output == "sigmoid" else 0.0
        assert_allclose(J, (true + extra) / 3, rtol=1e-6)


# --- starting -----------------------------------------------------------------------------------

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


# --- update rules -------------------------------------------------------------------------------

GRADIENTS = [math.sin(1.7 * t + 0.3) * (1 + t) for t in range(10)]


def _descend(rule, steps=10, theta=0.7):
    """θ after each step of `rule`, a generator that is sent gradients and yields movements."""
    run, trajectory = rule(), []
    next(run)
    for g in GRADIENTS[:steps]:
        theta -= run.send(g)
        trajectory.append(theta)
    return trajectory


def _plain(rate):
    g = yield
    while True:
        g = yield rate * g


def _momentum(rate, beta, nesterov=False):
    v, g = 0.0, (yield)
    while True:
        v = beta * v + (1 - beta) * g
        g = yield rate * (beta * v + (1 - beta) * g if nesterov else v)


def _rmsprop(rate, rho, eps):
    s, g = 0.0, (yield)
    while True:
        s = rho * s + (1 - rho) * g**2
        g = yield rate * g / (math.sqrt(s) + eps)


def _adam(rate, beta1, beta2, eps):
    v = s = 0.0
    t, g = 0, (yield)
    while True:
        t += 1
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        g = yield rate * (v / (1 - beta1**t)) / (math.sqrt(s / (1 - beta2**t)) + eps)


def optimizer_trajectories(room):
    """Each rule, and θ after each of GRADIENTS as published."""
    o = room.optimizers
    return [
        (o.GradientDescent(0.3), _descend(lambda: _plain(0.3))),
        (o.GradientDescent(0.3, momentum=0.8), _descend(lambda: _momentum(0.3, 0.8))),
        (
            o.GradientDescent(0.3, momentum=0.8, nesterov=True),
            _descend(lambda: _momentum(0.3, 0.8, True)),
        ),
        (o.RMSprop(0.01, decay=0.9), _descend(lambda: _rmsprop(0.01, 0.9, 1e-8))),
        (o.RMSprop(0.02, decay=0.6, epsilon=0.05), _descend(lambda: _rmsprop(0.02, 0.6, 0.05))),
        (o.Adam(0.01), _descend(lambda: _adam(0.01, 0.9, 0.999, 1e-8))),
        (
            o.Adam(0.01, beta1=0.7, beta2=0.9, epsilon=0.1),
            _descend(lambda: _adam(0.01, 0.7, 0.9, 0.1)),
        ),
        (
            o.AdamW(0.01, weight_decay=0.0),
            _descend(lambda: _adam(0.01, 0.9, 0.999, 1e-8)),
        ),
    ]


def check_optimizers(room):
    """Ten steps of every rule against its published form, one number at a time (C19, C20)."""
    for optimizer, true in optimizer_trajectories(room):
        theta, slots = np.full((1, 1), 0.7), (np.zeros((1, 1)),) * optimizer.slots
        for t, g in enumerate(GRADIENTS):
            c = np.array(optimizer.coefficients(t, 10, t))
            theta, slots = optimizer.update(np, theta, np.full((1, 1), g), slots, c)
            assert_allclose(theta, true[t], rtol=1e-12, err_msg=f"{optimizer}, step {t}")


def check_weight_decay(room):
    """W shrinks by ``1 − αλ`` *before* the step; the gradient is the one at the old W; b is left (C21)."""
    o = room.optimizers
    W, b = np.array([[2.0, -3.0]]), np.array([[5.0]])
    dW, db = np.array([[0.5, 0.25]]), np.array([[-1.0]])
    for optimizer in (
        o.GradientDescent(0.1, weight_decay=0.4),
        o.GradientDescent(0.1, momentum=0.5, weight_decay=0.4),
        o.RMSprop(0.1, weight_decay=0.4),
        o.Adam(0.1, weight_decay=0.4),
    ):
        c = np.array(optimizer.coefficients(0, 1, 0))
        state = [tuple((np.zeros_like(p),) * optimizer.slots for p in (W, b))]
        [(new_W, new_b)], _ = o.update_all(np, optimizer, [(W, b)], [(dW, db)], state, c)
        step_W, _ = optimizer.update(np, W * (1 - 0.1 * 0.4), dW, state[0][0], c)
        step_b, _ = optimizer.update(np, b, db, state[0][1], c)
        assert_allclose(new_W, step_W, rtol=1e-14)
        assert_allclose(new_b, step_b, rtol=1e-14)
    # Once in plain numbers, and with a gradient that depends on where it is taken.
    plain = o.GradientDescent(0.1, weight_decay=0.4)
    [(new_W, new_b)], _ = o.update_all(np, plain, [(W, b)], [(dW, db)], [((), ())], np.array([0.1]))
    assert_allclose(new_W, [[2.0 * 0.96 - 0.05, -3.0 * 0.96 - 0.025]], rtol=1e-14)
    assert_allclose(new_b, [[5.1]], rtol=1e-14)


def check_clipping(room):
    """The gradient of all parameters together is shortened to the norm asked for, and never lengthened."""
    gradients = [(np.array([[3.0, 0.0]]), np.array([[4.0]])), (np.array([[12.0]]), np.array([[0.0]]))]
    for longest, factor in ((1.3, 0.1), (13.0, 1.0), (20.0, 1.0)):  # the norm is 13
        for pair, clipped in zip(gradients, room.optimizers.clip(np, gradients, longest), strict=True):
            for g, short in zip(pair, clipped, strict=True):
                assert_allclose(short, factor * g, rtol=1e-14)
    zero = [(np.zeros((1, 2)), np.zeros((1, 1)))]
    assert_array_equal(room.optimizers.clip(np, zero, 1.0)[0][0], np.zeros((1, 2)))


def check_schedules(room):
    """Schedules at points that can be worked out in the head."""
    s = room.schedules
    cosine = s.Cosine(0.4, final=0.1)
    assert_allclose([cosine(t, 100) for t in (0, 50, 100)], [0.4, 0.25, 0.1], rtol=1e-12)
    assert_allclose(cosine(25, 100), 0.25 + 0.15 * math.sqrt(0.5), rtol=1e-12)
    warm = s.Cosine(0.4, warmup=0.1)
    assert_allclose([warm(t, 100) for t in (0, 4, 9, 10)], [0.4 * k / 11 for k in (1, 5, 10, 11)])
    halving = s.Exponential(0.8, factor=0.5, every=10)
    assert_allclose([halving(t, 0) for t in (0, 10, 20)], [0.8, 0.4, 0.2], rtol=1e-12)
    assert_allclose(halving(5, 0), 0.8 * math.sqrt(0.5), rtol=1e-12)
    stairs = s.Exponential(0.8, factor=0.5, every=10, stairs=True)
    assert_allclose([stairs(t, 0) for t in (0, 9, 10, 19)], [0.8, 0.8, 0.4, 0.4], rtol=1e-12)
    inverse = s.InverseTime(0.6, half_life=50)
    assert_allclose([inverse(t, 0) for t in (0, 50, 100)], [0.6, 0.3, 0.2], rtol=1e-12)


# --- dropout and descent ------------------------------------------------------------------------


def wellons_mask(key, n, m, rate):
    """The mask as the hash is published, with Python's unbounded integers."""
    kept = []
    for i in range(n * m):
        x = (i * 0x9E3779B9 + key) % 2**32
        x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
        x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
        x ^= x >> 16
        kept.append(1 / (1 - rate) if (x >> 8) / 2**24 >= rate else 0.0)
    return np.array(kept).reshape(n, m)


def check_dropout(room):
    """The mask bit by bit, its rate and its expectation."""
    like = np.zeros(1)
    for key, rate in ((0, 0.5), (12345, 0.25), (-7, 0.8)):
        mask = room.dropout.keep_mask(np, np.int32(key), (4, 5), rate, like=like)
        assert_allclose(mask, wellons_mask(key, 4, 5, rate), rtol=1e-15)
    big = room.dropout.keep_mask(np, np.int32(99), (300, 400), 0.3, like=like)
    assert_allclose(np.mean(big == 0), 0.3, atol=0.005)
    assert_allclose(big.mean(), 1.0, atol=0.01)


def small_plan(room, optimizer, m=7, batch_size=3, dropout=0.0, weighted=False):
    """Two layers, all sizes 3, so that nothing that is mixed up fails by its shape alone."""
    layers = (
        room.plan.Layer(3, 3, "tanh"),
        room.plan.Layer(3, 3, "identity", dropout),
    )
    return room.plan.Plan(layers, "squared_error", optimizer, m, batch_size, "float64", weighted)


def check_descent(room):
    """An epoch of the reference against loops over examples: order, remainder, rates, keys, weights."""
    rng = np.random.default_rng(3)
    m, B, rate = 7, 3, 0.4
    X, Y, w = rng.standard_normal((3, m)), rng.standard_normal((3, m)), rng.uniform(0.5, 2, (1, m))
    start = [(rng.standard_normal((3, 3)), rng.standard_normal((3, 1))) for _ in range(2)]
    order = rng.permutation(m).astype(np.int32)
    keys = rng.integers(-(2**31), 2**31, (3, 2), dtype=np.int32)
    rates = np.array([[0.1], [0.05], [0.2]])

    (W1, b1), (W2, b2) = ([p.copy() for p in layer] for layer in start)
    costs = []
    for t, first in enumerate(range(0, m, B)):
        batch = order[first : first + B]
        n = len(batch)  # the last batch is smaller, and its mean is over what it has
        mask = wellons_mask(int(keys[t, 1]), 3, n, rate)
        J, gradients = 0.0, [np.zeros_like(p) for p in (W1, b1, W2, b2)]
        for j, i in enumerate(batch):
            x, y = X[:, i : i + 1], Y[:, i : i + 1]
            a1 = np.tanh(W1 @ x + b1)
            h = a1 * mask[:, j : j + 1]
            error = W2 @ h + b2 - y
            J += w[0, i] * np.sum(error**2) / 2 / n
            d2 = w[0, i] * error / n
            d1 = W2.T @ d2 * mask[:, j : j + 1] * (1 - a1**2)
            for total, g in zip(gradients, (d1 @ x.T, d1, d2 @ h.T, d2), strict=True):
                total += g
        costs.append(J)
        W1, b1, W2, b2 = (p - rates[t, 0] * g for p, g in zip((W1, b1, W2, b2), gradients, strict=True))

    plan = small_plan(room, room.optimizers.GradientDescent(0.1), dropout=rate, weighted=True)
    assert plan.steps == 3
    assert plan.batches() == [(0, 3), (3, 6), (6, 7)]
    program = room.reference.Reference(np, plan)
    state = room.program.TrainState(start, [((), ()), ((), ())])
    (found, _), losses = program(state, room.program.EpochInputs(X, Y, w, order, rates, keys))
    assert_allclose(losses, costs, rtol=1e-12)
    for pair, true in zip(found, ((W1, b1), (W2, b2)), strict=True):
        for p, q in zip(pair, true, strict=True):
            assert_allclose(p, q, rtol=1e-12, atol=1e-14)


def check_stateful_descent(room):
    """The reference hands the optimizer's state on from batch to batch, for W and b apart (C20)."""
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((3, 7)), rng.standard_normal((3, 7))
    W, b = rng.standard_normal((3, 3)), rng.standard_normal((3, 1))
    layer = room.plan.Layer(3, 3, "identity")
    optimizer = room.optimizers.GradientDescent(0.1, momentum=0.9)
    plan = room.plan.Plan((layer,), "squared_error", optimizer, 7, 3, "float64")
    true_W, true_b = W, b
    vW, vb = np.zeros_like(W), np.zeros_like(b)
    for i in range(0, 7, 3):
        x, y = X[:, i : i + 3], Y[:, i : i + 3]
        error = (true_W @ x + true_b - y) / x.shape[1]
        vW, vb = 0.9 * vW + 0.1 * error @ x.T, 0.9 * vb + 0.1 * error.sum(axis=1, keepdims=True)
        true_W, true_b = true_W - 0.1 * vW, true_b - 0.1 * vb
    zero = [((np.zeros_like(W),), (np.zeros_like(b),))]
    program = room.reference.Reference(np, plan)
    inputs = room.program.EpochInputs(X, Y, None, None, np.full((3, 1), 0.1), None)
    ([(found_W, found_b)], [((found_vW,), (found_vb,))]), _ = program(
        room.program.TrainState([(W, b)], zero), inputs
    )
    for p, q in ((found_W, true_W), (found_b, true_b), (found_vW, vW), (found_vb, vb)):
        assert_allclose(p, q, rtol=1e-12, atol=1e-14)


# --- normalising and measuring ------------------------------------------------------------------


def check_standardizer(room):
    """μ and σ per feature and per set, over more than one slice; a constant feature becomes 0 (C15)."""

    def here(array):
        return array

    rng = np.random.default_rng(6)
    X = rng.standard_normal((9000, 3)) * [2.0, 0.5, 7.0] + [1.0, -3.0, 100.0]
    one = room.standardizer.Standardizer()
    one.mean, one.deviation = one.measure(np, X, here, here)
    assert_allclose(one.mean, X.mean(axis=0), rtol=1e-12)
    assert_allclose(one.deviation, X.std(axis=0), rtol=1e-12)
    assert_allclose(one.apply(np, X, here), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-12)
    whole = room.standardizer.Standardizer(per="set")
    whole.mean, whole.deviation = whole.measure(np, X, here, here)
    assert_allclose(whole.mean, X.mean(), rtol=1e-12)
    assert_allclose(whole.deviation, X.std(), rtol=1e-12)
    # 0.1 has no exact float: a sum of many of them drifts, and must not be taken for variation.
    for value in (0.0, 0.1, 200.3):
        same = np.full((9000, 2), value, dtype=np.float32)
        one.mean, one.deviation = one.measure(np, same, here, here)
        assert_array_equal(one.apply(np, same, here), np.zeros_like(same))
        assert_array_equal(one.deviation, [1.0, 1.0])


def check_metrics(room):
    """Accuracy, counted on the fingers."""
    A = np.array([[0.7, 0.2, 0.4, 0.1], [0.2, 0.7, 0.35, 0.3], [0.1, 0.1, 0.25, 0.6]])
    Y = np.eye(3)[:, [0, 1, 2, 2]]
    assert room.metrics.accuracy(np, A, Y, "classes") == 0.75
    labels = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert_allclose(room.metrics.accuracy(np, A, labels, "labels"), 11 / 12)


CHECKS = [  # the quick ones first
    check_activation_values,
    check_loss_values,
    check_one_layer,
    check_natural_pairs,
    check_stability,
    check_initializers,
    check_optimizers,
    check_weight_decay,
    check_clipping,
    check_schedules,
    check_dropout,
    check_descent,
    check_stateful_descent,
    check_standardizer,
    check_metrics,
    check_hidden_gradients,
    check_gradients,
]
