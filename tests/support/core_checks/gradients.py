"""Gradients against central differences."""

import itertools

import numpy as np
from numpy.testing import assert_allclose

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
