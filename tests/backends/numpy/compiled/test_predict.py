"""The compiled forward pass predicts what the reference predicts, for the weights of the moment."""

import importlib.util
import itertools

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("m", [1, 5, 9, 300, 1000])
@pytest.mark.parametrize("activations", [("sigmoid", "softmax"), ("relu", "tanh", "identity"), ("softmax",)])
def test_compiled_prediction(activations, m):
    from gpunet.training.evaluation import outputs
    from gpunet_numpy.compiled.predict.program import Predictor

    rng = np.random.default_rng(m)
    sizes = [11, *(int(n) for n in rng.integers(2, 40, len(activations)))]
    for dtype, tolerance in (("float64", 1e-12), ("float32", 3e-5)):
        parameters = [
            (rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((n, 1)).astype(dtype))
            for k, n in itertools.pairwise(sizes)
        ]
        for zeros in (0.0, 0.8):
            X = rng.standard_normal((2 * m, 11)).astype(dtype)[::2]
            X[rng.random(X.shape) < zeros] = 0.0
            A = Predictor(activations, parameters)(X)
            assert A.dtype == dtype
            assert np.allclose(A, outputs(xp, activations, parameters, X.T), rtol=tolerance, atol=tolerance)


def test_prediction_of_what_is_not_finite():
    """The compiled pass refuses it, and the front says which row."""
    X = np.ones((20, 300), "float32")
    net = gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], inputs=300, seed=0, backend="numpy")
    fine = net.predict(X)
    for m in (1, 20):
        for bad in (np.nan, np.inf, -np.inf):
            spoilt = X.copy()
            spoilt[m - 1, 299] = bad
            with pytest.raises(ValueError, match=f"NaN, infinity .* row {m - 1}"):
                net.predict(spoilt[:m])
    assert np.array_equal(net.predict(X), fine)
    with pytest.raises(ValueError, match="299 features per example"):
        net.predict(X[:, :299])


def test_predictions_follow_the_weights():
    """A forward pass that was compiled for old weights is never used for new ones."""
    rng = np.random.default_rng(0)
    X, y = rng.random((64, 300), dtype="float32"), np.arange(64) % 5
    net = gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], inputs=300, seed=0, backend="numpy")
    before = net.predict(X)
    net.fit(X, y, epochs=1)
    after = net.predict(X)
    other = (
        gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], inputs=300, seed=1, backend="torch")
        if importlib.util.find_spec("torch")
        else None
    )
    assert not np.allclose(before, after)
    if other is not None:
        other.set_parameters(net.parameters)
        assert np.allclose(other.predict(X), after, atol=1e-5)


def test_a_predictor_that_was_made_under_a_limit():
    """Its buffers are for so few threads; more of them would write behind those."""
    from threadpoolctl import threadpool_limits

    from gpunet_numpy.compiled.predict.program import Predictor

    rng = np.random.default_rng(0)
    weights, X = [(rng.random((40, 30)), rng.random((40, 1)))], rng.random((500, 30))
    with threadpool_limits(1):
        limited = Predictor(("tanh",), weights)
        expected = limited(X)
    assert len(limited.together[2].value.A) == 1
    assert np.allclose(limited(X), expected)
    assert np.allclose(Predictor(("tanh",), weights)(X), expected)
