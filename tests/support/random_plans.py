"""Plans, and the state and inputs that a program takes for them, drawn with a seed.

Every program of every backend is tested on these, against the reference.
"""

from dataclasses import replace

import numpy as np

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.devices.placement import host_placement
from gpunet.devices.sparse_examples import SparseExamples

# Units and activation of each layer, then the loss: one to four layers, some wider than a warp or a cache line.
NETWORKS = {
    "linear": ((4, "identity"), "squared_error"),
    "softmax": ((35, "softmax"), "cross_entropy"),
    "sigmoid-softmax": ((7, "sigmoid"), (3, "softmax"), "cross_entropy"),
    "wide": ((70, "sigmoid"), (5, "softmax"), "cross_entropy"),
    "wider": ((300, "relu"), (9, "softmax"), "cross_entropy"),
    "leaky-absolute": ((6, "leaky_relu"), (1, "identity"), "absolute_error"),
    "saturating-squares": ((33, "tanh"), (4, "sigmoid"), "squared_error"),
    "relu-tanh-sigmoid": ((40, "relu"), (5, "tanh"), (2, "sigmoid"), "logistic"),
    "selu-elu-squares": ((9, "selu"), (33, "elu"), (2, "softplus"), "squared_error"),
    "three-hidden": ((70, "tanh"), (65, "relu"), (40, "sigmoid"), (3, "softmax"), "cross_entropy"),
    "deep-absolute": (
        (37, "leaky_relu"),
        (8, "tanh"),
        (5, "relu"),
        (3, "identity"),
        "absolute_error",
    ),
}

# The same with activations whose slope has to be stored: fewer programs have them.
SELF_GATED = {
    "gelu-silu": ((70, "gelu"), (9, "silu"), (3, "softmax"), "cross_entropy"),
    "mish-gelu": ((40, "mish"), (33, "gelu"), (1, "identity"), "absolute_error"),
    "silu-mish": ((9, "silu"), (40, "mish"), (2, "sigmoid"), "logistic"),
}

# No hyperparameter has its default: a program that ignores one of them differs from the reference.
DESCENTS = {
    "plain": gn.GradientDescent(gn.Cosine(0.06, 0.01)),
    "decay": gn.GradientDescent(0.05, weight_decay=0.1),
    "momentum": gn.GradientDescent(0.05, 0.7),
    "momentum-decay": gn.GradientDescent(gn.Cosine(0.05), 0.85, weight_decay=0.03),
    "nesterov": gn.GradientDescent(gn.Cosine(0.05), 0.8, nesterov=True, weight_decay=0.02),
}
OTHERS = {
    "adam": gn.Adam(0.01, beta1=0.8, beta2=0.93, epsilon=1e-3),
    "adamw": gn.AdamW(gn.Cosine(0.01), beta1=0.7, beta2=0.98, epsilon=1e-4, weight_decay=0.2),
    "rmsprop": gn.RMSprop(gn.Cosine(0.01), decay=0.75, epsilon=1e-2, weight_decay=0.05),
}
OPTIMIZERS = {**DESCENTS, **OTHERS}


def in_turn(networks, rules):
    """``(network, rule, dtype)``: every network with every rule, in one dtype; each network and rule has both."""
    dtypes = ("float64", "float32")
    return [(a, b, dtypes[(i + j) % 2]) for i, a in enumerate(networks) for j, b in enumerate(rules)]


# Indices of frozen layers in networks of three hidden layers and an output: above, between and below trainable ones.
FROZEN = {"first": (0,), "base": (0, 1, 2), "between": (1,), "output": (3,), "but one": (0, 2, 3)}


def plan_of(
    network, optimizer, batch_size, dtype="float64", weighted=False, examples=75, inputs=11, frozen=()
):
    """The plan of one of `NETWORKS` or `SELF_GATED`, with the layers of these indices frozen."""
    *described, loss = {**NETWORKS, **SELF_GATED}[network]
    sizes = [inputs, *(units for units, _ in described)]
    layers = tuple(
        Layer(sizes[l], units, name, trainable=l not in frozen) for l, (units, name) in enumerate(described)
    )
    return Plan(layers, loss, optimizer, examples, batch_size, dtype, weighted)


def draw(plan, shuffled=True, used=None, seed=0, constant=0.0, offset=0.0):
    """The state and the inputs of an epoch, as a program takes them.

    Parameters
    ----------
    plan : Plan
    shuffled : bool
    used : int or None
        Examples of the epoch's first part; None for all.
    seed : int
    constant : float
        Share of every feature of X that has one value, from 0 to `offset`: 0 makes sparse data, another value
        what becomes of them when they are standardised.
    offset : float
    """
    rng = np.random.default_rng([seed, plan.batch_size])
    m, k = plan.examples, plan.layers[-1].units

    def normal(*shape):
        return rng.standard_normal(shape).astype(plan.dtype)

    parameters = [
        (normal(l.units, l.inputs) / np.sqrt(l.inputs).astype(plan.dtype), normal(l.units, 1))
        for l in plan.layers
    ]
    count = plan.optimizer.slots
    slots = [
        tuple(tuple(np.abs(normal(*p.shape)) / 100 for _ in range(count)) for p in pair)
        for pair in parameters
    ]
    rows = {
        "cross_entropy": lambda: np.eye(k)[rng.integers(0, k, m)],
        "logistic": lambda: rng.integers(0, 2, (m, k)),
    }.get(plan.loss, lambda: normal(m, k))()
    X, Y = normal(m, plan.layers[0].inputs), np.ascontiguousarray(rows, dtype=plan.dtype)
    X = np.where(rng.random(X.shape) < constant, np.linspace(0, offset, X.shape[1]), X).astype(plan.dtype)
    weights = rng.uniform(0.5, 2.0, (1, m)).astype(plan.dtype) if plan.weighted else None
    order = rng.permutation(m).astype(np.int32)[:used] if shuffled else None
    steps = [plan.optimizer.coefficients(i, 100, i) for i in range(plan.steps)]
    coefficients = np.array(steps, dtype=plan.dtype)
    return TrainState(parameters, slots), EpochInputs(X.T, Y.T, weights, order, coefficients, None)


def with_penalty(plan, inputs, strength=0.4):
    """The same plan and inputs with an L2 penalty, which doubles from the first step to the last."""
    factors = np.linspace(strength, 2 * strength, plan.steps, dtype=plan.dtype)[:, None]
    coefficients = np.hstack([inputs.coefficients, factors])
    return replace(plan, penalized=True), inputs._replace(coefficients=coefficients)


def with_dropout(plan, inputs, rates, seed=0):
    """The same with these rates, in turn for each layer's inputs, and keys."""
    layers = tuple(replace(one, dropout=rates[l % len(rates)]) for l, one in enumerate(plan.layers))
    bounds = np.iinfo(np.int32)
    keys = np.random.default_rng(seed).integers(
        bounds.min, bounds.max, (len(inputs.coefficients), len(layers)), dtype=np.int32
    )
    return replace(plan, layers=layers), inputs._replace(dropout_keys=keys)


def sparse(plan, inputs):
    """The same plan and inputs, with X as SciPy's sparse rows."""
    from scipy.sparse import csr_array

    X = SparseExamples(csr_array(np.ascontiguousarray(inputs.X.T)), host_placement())
    return replace(plan, sparse=True), inputs._replace(X=X)


def numbers(value):
    """All numbers of a nest of tuples, lists and arrays, as one float64 array."""
    if isinstance(value, tuple | list):
        return np.concatenate([numbers(one) for one in value] or [np.empty(0)])
    return np.asarray(value, dtype="float64").ravel()


def differences(plan, result, expected, float32=3e-5):
    """What differs between the results of two programs: parameters, slots or losses, and by how much."""
    tolerance = 1e-10 if plan.dtype == "float64" else float32
    (state, losses), (expected_state, expected_losses) = result, expected
    found = {}
    for name, a, b in zip(
        ("parameters", "slots", "losses"),
        (*state, losses),
        (*expected_state, expected_losses),
        strict=True,
    ):
        a, b = numbers(a), numbers(b)
        if a.shape != b.shape:
            found[name] = f"shapes {a.shape} and {b.shape}"
        elif not np.allclose(a, b, rtol=tolerance, atol=tolerance):
            found[name] = float(np.abs(a - b).max())
    return found


def map_arrays(function, value):
    """A nest of tuples, lists, arrays and other values, with `function` of each array in its place."""
    if isinstance(value, tuple | list):
        items = [map_arrays(function, one) for one in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return function(value) if hasattr(value, "dtype") else value


def chunk_as_it_stands(plan, inputs, first, last):
    """The same steps with arrays of their own, which hold their examples alone and in order, as for a transform."""
    chosen = inputs.order[first * plan.batch_size : last * plan.batch_size]
    X, Y, weights = (None if A is None else np.ascontiguousarray(A.T[chosen]).T for A in inputs[:3])
    return epoch_chunk(plan, inputs, first, last)._replace(X=X, Y=Y, example_weights=weights, order=None)


def epoch_chunk(plan, inputs, first, last):
    """The inputs of steps ``first … last`` of an epoch that has an order."""
    return inputs._replace(
        order=inputs.order[first * plan.batch_size : last * plan.batch_size],
        coefficients=inputs.coefficients[first:last],
    )
