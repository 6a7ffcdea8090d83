"""Memory of large arrays on the host: no more copies than there must be, and the same numbers."""

import tracemalloc

import numpy as np
import pytest

import gpunet as gn
from gpunet import network as module

M, N = 40_000, 20


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(module, "PART", 1024)
    monkeypatch.setattr("gpunet.inputs.pipeline.CHUNK", 512)


def data(kind):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 256, (M, N)) if kind == "uint8" else rng.normal(40, 30, (M, N))
    return X.astype(kind), rng.integers(0, 3, M)


def network(backend="numpy", standardizer=True):
    layers = [gn.Dense(5, "relu"), gn.Dense(3, "softmax")]
    return gn.Network(
        layers, seed=1, backend=backend, standardizer=gn.Standardizer() if standardizer else None
    )


def peak(work):
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize(("kind", "copies"), [("uint8", 4.5), ("float32", 1.1), ("float64", 0.6)])
def test_fit_with_a_standardizer(kind, copies, small_parts):
    """uint8 becomes float32, four times as large; float32 and float64 are copied once, as float32."""
    X, y = data(kind)
    before = X.copy()

    def fit():
        network().fit(X, y, epochs=1, batch_size=100, optimizer=gn.Adam(0.01))

    fit()  # imports what it needs
    used = peak(fit)
    assert used < copies * X.nbytes + 30 * M + 1e6
    assert np.array_equal(X, before)


@pytest.mark.parametrize("standardizer", [True, False])
def test_predict(standardizer, small_parts):
    X, y = data("uint8")
    net = network(standardizer=standardizer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpunet.training.scale.LARGE_INPUT", 1e9)
        net.fit(X, y, epochs=1, optimizer=gn.Adam(0.001))
    in_parts = net.predict(X)
    assert peak(lambda: net.predict(X)) < X.nbytes * 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", M)
        whole = net.predict(X)
    assert np.array_equal(in_parts, whole)


@pytest.mark.parametrize("backend", ["readonly", "torch"])
def test_parts_on_other_backends(backend, small_parts):
    if backend == "torch":
        pytest.importorskip("torch")
    X, y = data("float64")
    net = network(backend)
    net.fit(X[:500], y[:500], epochs=1, optimizer=gn.Adam(0.001))
    found = net.predict(X)
    assert found.shape == (M, 3)
    np.testing.assert_allclose(found[2000:2010], net.predict(X[2000:2010]), rtol=1e-5)


def test_a_row_is_named_by_its_number_among_all(small_parts):
    X, y = data("float32")
    net = network()
    net.fit(X, y, epochs=1, optimizer=gn.Adam(0.001))
    X[32100, 5] = np.nan
    with pytest.raises(ValueError, match="row 32100"):
        net.predict(X)
    with pytest.raises(ValueError, match=r"19 features"):
        net.predict(X[:, :-1])


def test_the_users_arrays_stay_as_they_are(small_parts):
    """What has been converted may be standardised in place; a view of the user's own memory may not."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(5, 2, (1100, 4)).astype("float32"), rng.integers(0, 3, 1100)
    for given in (X, X[::2], X[:, ::-1], np.asfortranarray(X), X.astype(">f4"), X.astype("float64")):
        before, labels = given.copy(), y[: len(given)]
        nets = [network() for _ in range(2)]
        losses = [net.fit(given, labels, epochs=1, validation_fraction=0.1).loss for net in nets]
        nets[0].fit(given, labels, epochs=1)  # with a standardizer that is fitted
        nets[0].evaluate(given, labels)
        assert losses[0] == losses[1]
        assert np.array_equal(given, before)
