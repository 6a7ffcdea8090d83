"""The forward pass between epochs: what the core computes, on threads that do not get in a run's way."""

import gc
import itertools
import weakref

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.propagation import forward
from gpunet_numpy import forward as own
from gpunet_numpy.plain.namespace import xp

rng = np.random.default_rng(0)
M = 40


def network(*sizes, dtype="float64"):
    return [
        (rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((n, 1)).astype(dtype))
        for k, n in itertools.pairwise(sizes)
    ]


@pytest.fixture
def limits(monkeypatch):
    """The limits of BLAS that were asked for."""
    asked = []

    def with_blas_threads(threads, function, *arguments):
        asked.append(threads)
        return function(*arguments)

    monkeypatch.setattr(own, "with_blas_threads", with_blas_threads)
    return asked


@pytest.fixture
def compiled(monkeypatch):
    """Any pass is worth compiled code."""
    for name in ("numba", "scipy", "threadpoolctl"):
        pytest.importorskip(name)
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    monkeypatch.setattr(own, "WORTH", 0)


def same(found, activations, parameters, X, tolerance=1e-12):
    A, caches = forward(xp, activations, parameters, X)
    for got, expected in zip(found, (A, caches[-1].Z), strict=True):
        assert got.shape == expected.shape and got.dtype == expected.dtype
        assert np.allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_as_many_blas_threads_as_pay(limits, monkeypatch):
    """None are asked about for products that BLAS does not divide."""
    monkeypatch.setattr(own, "threads_for_work", lambda work: ("threads for", work))
    parameters, X = network(64, 32, 4), rng.standard_normal((64, 200))
    one = own.ForwardPass(("tanh", "softmax"))
    same(one(parameters, X[:, :100]), ("tanh", "softmax"), parameters, X[:, :100])
    assert limits == []
    same(one(parameters, X), ("tanh", "softmax"), parameters, X)
    assert limits == [("threads for", (64 * 32 + 32 * 4) * 200)]


@pytest.mark.slow
@pytest.mark.parametrize("last", ["softmax", "sigmoid", "identity", "own"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compiled(last, dtype, compiled, limits):
    """Also where only the hidden activations have a compiled form."""
    if last == "own":
        last = gn.Activation("halved", lambda xp, Z: Z / 2, lambda xp, dA, Z, A: dA / 2)
    activations, tolerance = ("relu", "tanh", last), 1e-12 if dtype == "float64" else 3e-5
    one = own.ForwardPass(activations)
    for _ in range(3):  # other weights each time
        parameters, X = network(7, 9, 5, 3, dtype=dtype), rng.standard_normal((M, 7)).astype(dtype).T
        same(one(parameters, X), activations, parameters, X, tolerance)
        same(one(parameters, X[:, ::3]), activations, parameters, X[:, ::3], tolerance)
    made, weights = one.compiled, one.weights
    assert made is not None
    one(parameters, X)
    assert one.compiled is made and one.weights is weights  # laid out once
    (W, b), *others, (last_W, last_b) = parameters
    changed = [(W, b), *others, (last_W, last_b + 1)]
    same(one(changed, X), activations, changed, X, tolerance)
    assert one.compiled is made and limits == []


@pytest.mark.slow
def test_weights_are_not_kept(compiled):
    one, parameters = own.ForwardPass(("tanh",)), network(7, 3)
    one(parameters, rng.standard_normal((7, M)))
    first = weakref.ref(parameters[0][0])
    del parameters
    gc.collect()
    assert first() is None


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite(bad, compiled):
    """Plain NumPy, as before."""
    parameters, X = network(7, 3), rng.standard_normal((7, M))
    X[2, 5] = bad
    with np.errstate(all="ignore"):
        found, expected = own.ForwardPass(("tanh",))(parameters, X), forward(xp, ("tanh",), parameters, X)
    assert np.array_equal(found[0], expected[0], equal_nan=True)


@pytest.mark.parametrize("reason", ["never", "activation", "not ready"])
def test_without_compiled_code(reason, monkeypatch, limits):
    monkeypatch.setattr(own, "WORTH", 0)
    started, activations = [], ("tanh", "identity")
    if reason == "never":
        monkeypatch.setenv("GPUNET_COMPILE", "never")
    elif reason == "activation":
        activations = (gn.Activation("halved", lambda xp, Z: Z / 2, lambda xp, dA, Z, A: dA / 2), "identity")
    else:
        for name in ("numba", "scipy", "threadpoolctl"):
            pytest.importorskip(name)
        monkeypatch.setattr(own, "WORTH_WEIGHTS", 100)
        monkeypatch.setattr(
            own, "unready_reason", lambda compiled, dtype, start: started.append((dtype, start)) or "not yet"
        )
    one = own.ForwardPass(activations)
    for sizes in ((7, 9, 3), (8, 9, 4)):
        parameters, X = network(*sizes, dtype="float32"), rng.standard_normal((sizes[0], M)).astype("float32")
        same(one(parameters, X), activations, parameters, X, 1e-5)
    # What is small is not compiled for this.
    assert started == ([("float32", False), ("float32", True)] if reason == "not ready" else [])


@pytest.mark.slow
def test_a_run_with_validation_data(compiled):
    """Its figures are those of plain NumPy."""
    X, y = rng.standard_normal((60, 7)).astype("float32"), np.arange(60) % 3
    settings = {"epochs": 4, "batch_size": 20, "validation_data": (X[:30], y[:30])}
    nets = []
    for worth in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(own, "WORTH", worth)
            layers = [gn.Dense(9, "relu"), gn.Dense(3, "softmax")]
            nets.append(gn.Network(layers, seed=0, backend="numpy"))
            nets[-1].fit(X, y, **settings)
    one, other = (net.history for net in nets)
    assert np.allclose(one.val_loss, other.val_loss, rtol=1e-5) and one.val_accuracy == other.val_accuracy
    assert len(set(one.val_loss)) == 4


@pytest.mark.slow
def test_sparse_columns(compiled):
    """Plain NumPy."""
    csr_array = pytest.importorskip("scipy.sparse").csr_array
    X, y = (rng.random((60, 7)) < 0.2).astype("float32"), np.arange(60) % 3
    layers = [gn.Dense(9, "relu"), gn.Dense(3, "softmax")]
    net = gn.Network(layers, seed=0, backend="numpy", inputs=7)
    assert net.evaluate(csr_array(X), y)["loss"] == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-5)
