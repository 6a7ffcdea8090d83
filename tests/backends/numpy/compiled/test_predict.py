"""The compiled forward pass predicts what the reference predicts, for the weights of the moment."""

import importlib.util
import itertools

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("here", [0, 10**9])
@pytest.mark.parametrize("m", [1, 5, 9, 300, 1000])
@pytest.mark.parametrize(
    "activations",
    [("sigmoid", "softmax"), ("relu", "tanh", "identity"), ("softmax",), ("gelu", "silu", "mish")],
)
def test_compiled_prediction(activations, m, here, monkeypatch):
    """By the threads of the pool, or by the caller's."""
    from gpunet.core.propagation import forward
    from gpunet_numpy.compiled.predict import program
    from gpunet_numpy.compiled.predict.program import Predictor

    monkeypatch.setattr(program, "HERE", here)
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
            assert np.allclose(
                A, forward(xp, activations, parameters, X.T)[0].T, rtol=tolerance, atol=tolerance
            )


def test_chunks(monkeypatch):
    """Of any size the same; smaller where the network is wide."""
    from gpunet_numpy.compiled.predict import program

    rng = np.random.default_rng(0)
    weights = [(rng.random((40, 30)), rng.random((40, 1))), (rng.random((3, 40)), rng.random((3, 1)))]
    X = rng.standard_normal((500, 30))
    expected = program.Predictor(("tanh", "identity"), weights)(X)
    for settings, size in (
        ({"DENSE_CHUNK": 70, "LEAST": 3}, 70),
        ({"NUMBERS": 4300, "LEAST": 3}, 100),
        ({"NUMBERS": 1}, 64),
    ):
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setattr(program, name, value)
            chunked = program.Predictor(("tanh", "identity"), weights)
        assert chunked.forward.dense_chunk == size
        assert np.allclose(chunked(X), expected, rtol=1e-12)


@pytest.mark.parametrize("m", [1, 20])
@pytest.mark.parametrize("zeros", [0.0, 0.8])
def test_each_number_is_looked_at(m, zeros):
    """Also where the first neuron has no weight for it; sums that overflow are no bad input."""
    from gpunet_numpy.compiled.predict.program import Predictor

    rng = np.random.default_rng(m)
    W, b = rng.standard_normal((4, 11)).astype("float32"), np.zeros((4, 1), "float32")
    W[0, ::2] = 0.0
    predictor = Predictor(("relu",), [(W, b)])
    X = np.where(rng.random((m, 11)) < zeros, 0.0, rng.standard_normal((m, 11))).astype("float32")
    for row, feature in itertools.product({0, m - 1}, range(11)):
        for bad in (np.nan, np.inf, -np.inf):
            spoilt = X.copy()
            spoilt[row, feature] = bad
            assert predictor(spoilt) is None
    for large in (3e38, -3e38):
        A = predictor(np.full_like(X, large))
        assert A is not None and not np.isfinite(A).all()


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


def test_who_predicts(monkeypatch):
    """The caller's thread, where others would wake up too late; BLAS has one thread for its products, then."""
    from gpunet_numpy.compiled.predict import program

    calls = []
    monkeypatch.setattr(program, "run_alone", lambda *given: calls.append("alone"))
    monkeypatch.setattr(program, "run_here", lambda kernel, dtype, largest, *given: calls.append(largest))
    monkeypatch.setattr(program, "run", lambda *given: calls.append("all"))
    parameters = [(np.zeros((n, k), "float32"), np.zeros((n, 1), "float32")) for k, n in ((30, 40), (40, 3))]
    predictor = program.Predictor(("tanh", "identity"), parameters)
    row = 30 * 40 + 40 * 3 + 64 * 43
    assert predictor.forward.work == row
    few, many = np.ones((50_000_000 // row, 30), "float32"), np.ones((50_000_000 // row + 1, 30), "float32")
    for X in (few[:8], few[:9], few, many):
        predictor(X)
    assert calls == ["alone", 9 * 120, len(few) * 120, "all"]
    wide = program.Predictor(("tanh",), [(np.zeros((4, 30), "float32"), np.zeros((4, 1), "float32"))])
    wide(few)
    assert calls[-1] == 0


def test_predictions_at_the_same_time():
    """In threads of a server: each has buffers of its own."""
    from concurrent.futures import ThreadPoolExecutor

    from gpunet_numpy.compiled.predict.program import Predictor

    rng = np.random.default_rng(0)
    predictor = Predictor(("tanh",), [(rng.random((40, 30)), rng.random((40, 1)))])
    batches = [rng.standard_normal((20 + k, 30)) for k in range(40)]
    expected = [predictor(X) for X in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(predictor, batches * 5), expected * 5, strict=True):
            assert np.array_equal(found, wanted)


def test_a_predictor_that_was_made_under_a_limit(monkeypatch):
    """Its buffers are for so few threads; more of them would write behind those."""
    from threadpoolctl import threadpool_limits

    from gpunet_numpy.compiled.predict import program
    from gpunet_numpy.compiled.predict.program import Predictor

    monkeypatch.setattr(program, "HERE", 0)

    rng = np.random.default_rng(0)
    weights, X = [(rng.random((40, 30)), rng.random((40, 1)))], rng.random((500, 30))
    with threadpool_limits(1):
        limited = Predictor(("tanh",), weights)
        expected = limited(X)
    assert len(limited.forward.together[1].value.A) == 1
    assert np.allclose(limited(X), expected)
    assert np.allclose(Predictor(("tanh",), weights)(X), expected)
