"""Plans, and the arguments that programs take, drawn with a seed."""

import numpy as np

import gpunet as gn
from gpunet.core.plan import Layer, Plan

NETWORKS = {  # one to three layers, more units than a warp, every hidden activation
    "sigmoid-softmax": ((7, "sigmoid"), (3, "softmax"), "cross_entropy"),
    "relu-tanh-sigmoid": ((40, "relu"), (5, "tanh"), (2, "sigmoid"), "logistic"),
    "wide": ((70, "sigmoid"), (5, "softmax"), "cross_entropy"),
    "wider": ((300, "relu"), (9, "softmax"), "cross_entropy"),
    "linear": ((4, "identity"), "squared_error"),
    "softmax": ((35, "softmax"), "cross_entropy"),
    "leaky-absolute": ((6, "leaky_relu"), (1, "identity"), "absolute_error"),
    "three-hidden": ((70, "tanh"), (65, "relu"), (40, "sigmoid"), (3, "softmax"), "cross_entropy"),
    "selu-elu-squares": ((9, "selu"), (33, "elu"), (2, "softplus"), "squared_error"),
}
DESCENTS = {
    "plain": gn.GradientDescent(0.05),
    "decay": gn.GradientDescent(0.05, weight_decay=0.1),
    "momentum": gn.GradientDescent(gn.Cosine(0.05), 0.9, weight_decay=0.01),
    "nesterov": gn.GradientDescent(gn.Cosine(0.05), 0.9, nesterov=True, weight_decay=0.01),
}
OTHERS = {"adam": gn.Adam(0.01), "adamw": gn.AdamW(gn.Cosine(0.01)), "rmsprop": gn.RMSprop(0.01)}


def plan_of(network, optimizer, batch_size, dtype="float64", weighted=False, examples=75, inputs=11):
    *described, loss = NETWORKS[network]
    sizes = [inputs, *(units for units, _ in described)]
    layers = tuple(Layer(sizes[l], units, name) for l, (units, name) in enumerate(described))
    return Plan(layers, loss, optimizer, examples, batch_size, dtype, weighted)


def arguments(plan, shuffled=True, used=None, seed=0):
    """Parameters, state and data of a plan, drawn with a seed, as a program takes them."""
    rng = np.random.default_rng([seed, plan.batch_size])
    m, k = plan.examples, plan.layers[-1].units

    def draw(*shape):
        return rng.standard_normal(shape).astype(plan.dtype)

    parameters = [
        (draw(l.units, l.inputs) / np.sqrt(l.inputs).astype(plan.dtype), draw(l.units, 1))
        for l in plan.layers
    ]
    slots = plan.optimizer.slots
    state = [
        tuple(tuple(np.abs(draw(*p.shape)) / 100 for _ in range(slots)) for p in pair) for pair in parameters
    ]
    rows = {
        "cross_entropy": lambda: np.eye(k)[rng.integers(0, k, m)],
        "logistic": lambda: rng.integers(0, 2, (m, k)),
    }.get(plan.loss, lambda: draw(m, k))()
    X, Y = draw(m, plan.layers[0].inputs), np.ascontiguousarray(rows, dtype=plan.dtype)
    weights = rng.uniform(0.5, 2.0, (1, m)).astype(plan.dtype) if plan.weighted else None
    order = rng.permutation(m).astype(np.int32)[:used] if shuffled else None
    steps = [plan.optimizer.coefficients(i, 100, i) for i in range(plan.steps)]
    return parameters, state, X.T, Y.T, weights, order, np.array(steps, dtype=plan.dtype), None


def flat(value):
    if isinstance(value, tuple | list):
        return np.concatenate([flat(one) for one in value] or [np.empty(0)])
    return np.asarray(value, dtype="float64").ravel()


def differences(plan, got, wanted):
    """What differs between two programs' results: parameters, state or losses."""
    tolerance = 1e-10 if plan.dtype == "float64" else 1e-4
    named = zip(("parameters", "state", "losses"), got, wanted, strict=True)
    return [
        name
        for name, a, b in named
        if flat(a).shape != flat(b).shape or not np.allclose(flat(a), flat(b), rtol=tolerance, atol=tolerance)
    ]
