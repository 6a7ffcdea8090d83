"""Placement: which library and device a network takes, and where predictions go."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices import registry

# --- auto and GPUNET_BACKEND ----------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch):
    """Auto, as on a machine without a GPU."""
    reason = registry.unavailable_reason
    monkeypatch.setattr(registry, "unavailable_reason", lambda n: "no device" if n == "cupy" else reason(n))


X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.arange(8) % 2


def network(backend="auto"):
    return gn.Network([gn.Dense(2, "softmax")], seed=0, backend=backend)


def fit(net, X, y):
    return net.fit(X, y, epochs=1, batch_size=None)


def test_auto_follows_the_data(backend, no_gpu):
    net, device = network(), backend.devices()[0]
    mine = backend.from_host(X, device), backend.from_host(Y, device)
    assert fit(net, *mine).backend == backend.name
    assert net.placement == (backend, device)
    assert all(backend.owns(p) for pair in net.parameters for p in pair)
    # Trained, it stays where it is for everything but training …
    before = net.predict(X)
    assert type(before) is np.ndarray
    assert net.placement.backend is backend
    # … and goes on wherever the next training data are, weights and state along.
    assert fit(net, X, Y).backend == "numpy"
    assert fit(net, *mine).backend == backend.name
    other = network("numpy")
    for _ in range(3):
        fit(other, X, Y)
    np.testing.assert_allclose(net.predict(X), other.predict(X), rtol=1e-5)


def test_auto_without_data_or_with_lists_is_numpy(no_gpu):
    assert gn.get_backend().name == gn.get_backend("auto").name == "numpy"
    assert fit(network(), X.tolist(), Y.tolist()).backend == "numpy"


def test_auto_takes_the_gpu_for_numpy_arrays_if_there_is_one(monkeypatch):
    """Simulated: whatever answers to the name of CuPy's backend is what auto takes."""
    readonly, load = gn.get_backend("readonly"), registry.load_backend
    reason = registry.unavailable_reason
    monkeypatch.setattr(registry, "load_backend", lambda n: readonly if n == "cupy" else load(n))
    monkeypatch.setattr(registry, "unavailable_reason", lambda n: None if n == "cupy" else reason(n))
    assert fit(network(), X, Y).backend == "readonly"


def test_the_environment_overrides_auto_and_an_argument_overrides_both(backend, monkeypatch):
    monkeypatch.setenv("GPUNET_BACKEND", backend.name)
    assert gn.get_backend().name == backend.name
    assert network().placement.backend is backend
    readonly = gn.get_backend("readonly")
    theirs = readonly.from_host(X, "cpu"), readonly.from_host(Y, "cpu")
    assert fit(network(), *theirs).backend == backend.name  # over the data's library, too
    assert fit(network("numpy"), X, Y).backend == "numpy"


def test_the_environment_may_name_a_device(monkeypatch):
    monkeypatch.setenv("GPUNET_BACKEND", "readonly:cpu")
    assert network().placement == (gn.get_backend("readonly"), "cpu")
    monkeypatch.setenv("GPUNET_BACKEND", "readonly:3")
    with pytest.raises(ValueError, match="no device '3'"):
        fit(network(), X, Y)


def test_a_wrong_environment_is_named(monkeypatch):
    monkeypatch.setenv("GPUNET_BACKEND", "nunpy")
    with pytest.raises(ValueError, match=r"GPUNET_BACKEND 'nunpy'.*Did you mean 'numpy'"):
        network()
    network("numpy")
    for nothing in ("", "auto"):
        monkeypatch.setenv("GPUNET_BACKEND", nothing)
        network()


# --- in and out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lives_on", ["numpy", "readonly", "strict", "torch", "jax"])
def test_what_goes_in_comes_out(backend, lives_on):
    """Predictions are in the library and on the device of X, wherever the network lives."""
    if not {info.name: info.usable for info in gn.list_backends()}[lives_on]:
        pytest.skip(f"{lives_on} is not installed")
    host = network(lives_on)
    device = backend.devices()[0]
    mine = backend.from_host(X, device)
    fit(host, X, Y)
    A = host.predict(mine)
    assert backend.owns(A)
    assert backend.device_of(A) == device
    assert type(A) is type(mine)
    np.testing.assert_allclose(backend.to_host(A), host.predict(X), rtol=1e-6)
    assert host.evaluate(mine, backend.from_host(Y, device)) == pytest.approx(host.evaluate(X, Y))
    fit(host, mine, backend.from_host(Y, device))  # any library into a network that was told its own
    assert host.placement.backend.name == lives_on
    listed = host.predict(X.tolist())
    assert type(listed) is np.ndarray


def test_tensors_that_ask_for_gradients():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    asking = torch.tensor(X, requires_grad=True)
    net = network()
    fit(net, asking, torch.tensor(Y))
    assert not net.predict(asking).requires_grad
    assert asking.grad is None
    half = torch.tensor(X).to(torch.bfloat16)
    assert net.predict(half).dtype == torch.float32


def test_the_front_computes_on_the_networks_device(monkeypatch):
    """A library with a current device is told which, around everything that computes."""
    numpy_backend = type(gn.get_backend("numpy"))
    inside = []

    class Entered:
        def __enter__(self):
            inside.append(True)

        def __exit__(self, *error):
            inside.pop()

    monkeypatch.setattr(numpy_backend, "on", lambda self, device: Entered())
    seen = []
    plain = numpy_backend.namespace
    monkeypatch.setattr(numpy_backend, "namespace", lambda self: seen.append(bool(inside)) or plain(self))
    net = gn.Network([gn.Dense(3, "softmax")], inputs=2, seed=0, backend="numpy")
    X, y = [[0.0, 1.0], [1.0, 0.0]], [0, 2]
    net.set_parameters(net.parameters)
    seen.clear()
    net.fit(X, y, epochs=1, validation_data=(X, y))
    net.predict(X)
    net.evaluate(X, y)
    assert seen
    assert all(seen)
    assert not inside
