"""``predict`` by a backend's own forward pass: the same checks and the same numbers as without it."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core import propagation
from gpunet.devices.backend import HostPredictor
from gpunet.inputs.pipeline import InputPipeline

M, N = 20, 300  # 300 · 200 weights: enough for the compiled forward pass of the NumPy backend


@pytest.fixture(params=["compiled", "stub"])
def calls(request, monkeypatch):
    """The forward pass in use, and what each of its calls was given and returned.

    "stub" stands in for the one of any backend: it refuses what breaks the contract of `Backend.predictor`.
    """
    backend = gn.get_backend("numpy")
    if request.param == "compiled":
        from gpunet_numpy.select import compiled_unavailable_reason

        if compiled_unavailable_reason():
            pytest.skip(compiled_unavailable_reason())
    predictor, seen = type(backend).predictor, []

    def stub(activations, parameters):
        kept = [(W.copy(), b.copy()) for W, b in parameters]

        def forward(rows):
            assert rows.dtype == kept[0][0].dtype
            assert rows.shape[1] == kept[0][0].shape[1]
            if not np.isfinite(rows).all():
                return None
            return propagation.forward(backend.namespace(), activations, kept, rows.T)[0].T

        return forward

    def spied(self, activations, parameters):
        forward = (
            predictor(self, activations, parameters)
            if request.param == "compiled"
            else stub(activations, parameters)
        )
        assert forward is not None

        def spy(rows):
            A = forward(rows)
            seen.append(A is not None)
            return A

        return spy

    monkeypatch.setattr(type(backend), "predictor", spied)
    return seen


def network(backend="numpy", **more):
    layers = [gn.Dense(200, "relu"), gn.Dense(5, "softmax")]
    return gn.Network(layers, inputs=N, seed=0, backend=backend, **more)


def rows(seed=0):
    return (5 + 3 * np.random.default_rng(seed).standard_normal((M, N))).astype("float32")


def expected(net, X):
    """The prediction from the parameters and the standardizer, in float64."""
    A = np.asarray(X, dtype="float64")
    if net.standardizer is not None:
        A = (A - net.standardizer.mean) / net.standardizer.deviation
    (W1, b1), (W2, b2) = [[np.asarray(p, dtype="float64") for p in pair] for pair in net.parameters]
    Z = W2 @ np.maximum(W1 @ A.T + b1, 0) + b2
    E = np.exp(Z - Z.max(axis=0))
    return (E / E.sum(axis=0)).T


def assert_predicts(net, X, calls):
    """Twice, because the first call makes the forward pass that the second one finds."""
    for _ in range(2):
        calls.clear()
        np.testing.assert_allclose(net.predict(X), expected(net, X), rtol=1e-4, atol=1e-5)
        assert calls == [True]


def test_with_a_standardizer(calls):
    net = network(standardizer=gn.Standardizer())
    net.fit(rows(), np.arange(M) % 5, epochs=1, optimizer=gn.Adam(1e-3), batch_size=None)
    assert np.abs(net.standardizer.mean).min() > 1  # else it would not matter
    assert_predicts(net, rows(1), calls)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_any_type(calls, dtype):
    net = network(dtype=dtype)
    whole = np.round(rows(2))
    for X in (
        whole,
        whole.astype("float64"),
        whole.astype("int64"),
        whole.astype(">f4"),
        whole.tolist(),
        np.asfortranarray(whole),
        np.repeat(whole, 2, axis=1)[:, ::2],
        whole.reshape(M, 15, 20),
    ):
        A = net.predict(X)
        assert A.dtype == dtype
        np.testing.assert_allclose(A, expected(net, np.reshape(X, (M, N))), rtol=1e-4, atol=1e-5)
    assert calls == [True] * 8


@pytest.mark.parametrize("name", ["readonly", "torch", "jax"])
def test_arrays_of_another_library(calls, name):
    try:
        theirs = gn.get_backend(name)
    except gn.BackendUnavailable as error:
        pytest.skip(str(error))
    net, X = network(), rows()
    for _ in range(2):
        A = net.predict(theirs.from_host(X, theirs.devices()[0]))
        assert theirs.owns(A)
        np.testing.assert_allclose(theirs.to_host(A), expected(net, X), rtol=1e-4, atol=1e-5)
    assert calls == [True, True]


def test_wrong_rows_are_refused_the_second_time_too(calls):
    net, X = network(), rows()
    net.predict(X)
    for bad, error, said in (
        (X[:, :299], ValueError, "299 features per example"),
        (X.T.copy(), ValueError, "look like columns"),
        (X[0], ValueError, "reshape"),
        (X[:0], ValueError, "empty"),
        (X.astype(complex), TypeError, "complex"),
        ([["a"] * N], TypeError, "^X must hold real numbers, it holds text"),
    ):
        with pytest.raises(error, match=said):
            net.predict(bad)
    assert calls == [True]
    for value in (np.nan, np.inf, -np.inf):
        spoiled = X.copy()
        spoiled[7, 299] = value
        with pytest.raises(ValueError, match=r"NaN, infinity .* row 7"):
            net.predict(spoiled)
    assert calls == [True, False, False, False]
    assert_predicts(net, X, calls)


def test_no_row_number_is_lost_by_the_standardizer(calls):
    net = network(standardizer=gn.Standardizer())
    net.fit(rows(), np.arange(M) % 5, epochs=1, batch_size=None, optimizer=gn.Adam(1e-3))
    spoiled = rows()
    spoiled[3, 0] = np.inf
    with pytest.raises(ValueError, match="row 3"):
        net.predict(spoiled)


def test_predictions_follow_the_parameters(calls):
    net, other, X = network(), network(), rows()
    assert_predicts(net, X, calls)
    before = net.predict(X)
    net.set_parameters([(2 * W, b + 1) for W, b in other.parameters])
    assert_predicts(net, X, calls)
    assert not np.allclose(net.predict(X), before)
    net.fit(X, np.arange(M) % 5, epochs=1, batch_size=None, optimizer=gn.Adam(0.01))
    assert_predicts(net, X, calls)


def test_predictions_follow_the_network_to_another_library(calls):
    """An "auto" network moves with its training data; a forward pass for the old place is not used."""
    readonly = gn.get_backend("readonly")
    X, y = rows(), np.arange(M) % 5
    net = network("auto")
    net.fit(X, y, epochs=1, batch_size=None, optimizer=gn.Adam(0.01))
    if net.placement.backend.name != "numpy":
        pytest.skip("no GPU: may be absent, so that auto is NumPy")
    assert_predicts(net, X, calls)
    net.fit(readonly.from_host(X, "cpu"), readonly.from_host(y, "cpu"), epochs=1, optimizer=gn.Adam(0.01))
    assert net.placement.backend is readonly
    calls.clear()
    moved = net.predict(X)
    assert calls == []
    net.fit(X, y, epochs=1, batch_size=None, optimizer=gn.Adam(0.01))
    assert_predicts(net, X, calls)
    assert not np.allclose(net.predict(X), moved)


class FromHost(HostPredictor):
    """A forward pass that takes up to 7 rows from the host; it stands in for that of a GPU."""

    host_rows = 7

    def __init__(self, activations, parameters):
        self.activations = activations
        self.parameters = [(np.array(W), np.array(b)) for W, b in parameters]
        self.calls = []

    def __call__(self, rows):
        self.calls.append("device")
        return None  # the reference computes them

    def from_host(self, rows):
        self.calls.append(len(rows))
        assert type(rows) is np.ndarray and rows.dtype == self.parameters[0][0].dtype
        if not np.isfinite(rows).all():
            return None
        return propagation.forward(
            gn.get_backend("numpy").namespace(), self.activations, self.parameters, rows.T
        )[0].T


@pytest.fixture
def from_host(monkeypatch):
    """The forward passes that were made, of networks on the backend "readonly"."""
    made = []

    def predictor(activations, parameters):
        made.append(FromHost(activations, parameters))
        return made[-1]

    monkeypatch.setattr(gn.get_backend("readonly"), "predictor", predictor)
    return made


def test_few_rows_of_the_host_are_not_moved(from_host, monkeypatch):
    net, X = network("readonly", standardizer=gn.Standardizer()), rows()
    net.fit(X, np.arange(M) % 5, epochs=1, batch_size=None, optimizer=gn.Adam(1e-3))
    whole, wanted, near = np.round(rows(1)), expected(net, np.round(rows(1))), {"rtol": 1e-4, "atol": 1e-5}
    net.predict(whole[:8])
    (predictor,) = from_host
    assert predictor.calls == ["device"]
    monkeypatch.setattr(gn.get_backend("readonly"), "from_host", None)
    few = whole[:7]
    kinds = (few, few.tolist(), few.astype("int64"), few.reshape(7, 15, 20), np.asfortranarray(few))
    for X in kinds:
        A = net.predict(X)
        assert type(A) is np.ndarray and A.dtype == "float32"
        np.testing.assert_allclose(A, wanted[:7], **near)
    assert predictor.calls == ["device", *[7] * len(kinds)]


def test_few_rows_of_another_library(from_host):
    torch = pytest.importorskip("torch")
    net = network("readonly")
    net.set_parameters(network().parameters)  # the first prediction of a network without weights makes them
    A = net.predict(torch.from_numpy(rows()[:3]))
    assert isinstance(A, torch.Tensor) and from_host[0].calls == [3]
    np.testing.assert_allclose(A.numpy(), expected(net, rows()[:3]), rtol=1e-4, atol=1e-5)


def test_rows_of_the_network_s_own_library_stay_there(from_host):
    readonly, net = gn.get_backend("readonly"), network("readonly")
    A = net.predict(readonly.from_host(rows()[:3], "cpu"))
    assert readonly.owns(A) and from_host[0].calls == ["device"]


def test_wrong_rows_of_the_host_are_refused(from_host):
    net, X = network("readonly"), rows()[:5]
    net.set_parameters(network().parameters)
    net.predict(X)
    for bad, error, said in (
        (X[:, :299], ValueError, "299 features per example"),
        (X[:0], ValueError, "empty"),
        (X[0], ValueError, "reshape"),
        (np.float32(3), ValueError, "must be rows of examples"),
        (3, ValueError, "must be rows of examples"),
        ([], ValueError, "must be rows of examples"),
        ({}, TypeError, "list of rows, got dict"),
        (None, TypeError, "list of rows, got NoneType"),
        ([["a"] * N], TypeError, "^X must hold real numbers, it holds text"),
    ):
        with pytest.raises(error, match=said):
            net.predict(bad)
    assert from_host[0].calls == [5]
    for value in (np.nan, np.inf, -np.inf):
        spoiled = X.copy()
        spoiled[3, 299] = value
        with pytest.raises(ValueError, match=r"NaN, infinity .* row 3"):
            net.predict(spoiled)


def test_few_rows_follow_the_parameters(from_host):
    net, X = network("readonly"), rows()[:5]
    before = net.predict(X)
    net.set_parameters([(2 * W, b + 1) for W, b in net.parameters])
    np.testing.assert_allclose(net.predict(X), expected(net, X), rtol=1e-4, atol=1e-5)
    assert not np.allclose(net.predict(X), before) and len(from_host) == 2


def test_predictions_may_be_written_into(backend, rng):
    """They are the caller's; those that come from JAX share its memory, which is read-only."""
    X = rng.normal(size=(6, 3)).astype("float32")
    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], inputs=3, seed=0, backend=backend.name)
    for given in (X, X.tolist(), X[:1]):
        P = net.predict(given)
        assert isinstance(P, np.ndarray)
        before = P.copy()
        P[P < 0.5] = 0.0
        np.testing.assert_array_equal(net.predict(given), before)


@pytest.mark.parametrize("units", [3, 400])
@pytest.mark.parametrize("compiling", ["never", "wait"])
def test_rows_are_standardised_once(units, compiling, monkeypatch):
    """By a small network, which has no forward pass of the backend's own for few rows, too."""
    monkeypatch.setenv("GPUNET_COMPILE", compiling)
    rng = np.random.default_rng(0)
    X = rng.normal(5.0, 2.0, (M, N))
    net = gn.Network(
        [gn.Dense(units, "tanh"), gn.Dense(1)],
        seed=0,
        backend="numpy",
        dtype="float64",
        standardizer=gn.Standardizer(),
    )
    net.fit(X, X[:, 0], epochs=1)
    calls, standardized = [], InputPipeline.standardized
    monkeypatch.setattr(InputPipeline, "standardized", lambda *given: calls.append(1) or standardized(*given))
    (W, b), (V, c) = net.parameters
    expected = np.tanh((X - X.mean(axis=0)) / X.std(axis=0) @ W.T + b.T) @ V.T + c.T
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-10, atol=1e-12)
    assert len(calls) == 1
