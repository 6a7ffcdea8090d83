"""Placement: which library and device a network takes, and where predictions go."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices import registry
from gpunet.devices.placement import (
    Placement,
    choose_placement,
    host_placement,
    named_placement,
    placement_of,
)

# --- auto and GPUNET_BACKEND ----------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch):
    """Auto, as on a machine without a GPU."""
    reason = registry.unavailable_reason
    monkeypatch.setattr(
        registry, "unavailable_reason", lambda n, **more: "no device" if n == "cupy" else reason(n, **more)
    )


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


@pytest.mark.parametrize("call", ["evaluate", "gradients", "predict"])
def test_the_first_data_of_any_call_decide(no_gpu, call):
    """Initial parameters are drawn where the first data are; later calls leave the network there."""
    readonly = gn.get_backend("readonly")
    theirs = readonly.from_host(X, "cpu"), readonly.from_host(Y, "cpu")
    net = gn.Network([gn.Dense(2, "softmax")], inputs=3, seed=0)
    getattr(net, call)(*theirs[: 1 if call == "predict" else 2])
    assert net.placement.backend is readonly
    assert all(readonly.owns(p) for pair in net.parameters for p in pair)
    net.evaluate(X, Y)
    assert net.placement.backend is readonly


def test_auto_without_data_or_with_lists_is_numpy(no_gpu):
    assert gn.get_backend().name == gn.get_backend("auto").name == "numpy"
    assert fit(network(), X.tolist(), Y.tolist()).backend == "numpy"


def test_auto_takes_the_gpu_for_numpy_arrays_if_there_is_one(monkeypatch):
    """Simulated: whatever answers to the name of CuPy's backend is what auto takes."""
    readonly, load = gn.get_backend("readonly"), registry.load_backend
    reason = registry.unavailable_reason
    monkeypatch.setattr(registry, "load_backend", lambda n: readonly if n == "cupy" else load(n))
    monkeypatch.setattr(
        registry, "unavailable_reason", lambda n, **more: None if n == "cupy" else reason(n, **more)
    )
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


@pytest.mark.parametrize("placed_on", ["numpy", "readonly", "strict", "torch", "jax"])
def test_what_goes_in_comes_out(backend, placed_on):
    """Predictions are in the library and on the device of X, wherever the network is placed."""
    if not {info.name: info.usable for info in gn.list_backends()}[placed_on]:
        pytest.skip(f"{placed_on} is not installed")
    host = network(placed_on)
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
    assert host.placement.backend.name == placed_on
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


# --- the functions themselves -----------------------------------------------------------------------


def test_placements_of_arrays(backend):
    device = backend.devices()[0]
    array, place = backend.from_host(X, device), Placement(backend, device)
    assert placement_of({}) is None
    assert placement_of({"X": [1.0], "y": None}) is None
    assert placement_of({"X": array}) == placement_of({"X": array, "y": array, "w": [1.0]}) == place
    other = gn.get_backend("readonly" if backend.name == "numpy" else "numpy")
    with pytest.raises(ValueError, match=rf"X in {backend.name} on {device}, y in {other.name} on cpu"):
        placement_of({"X": array, "z": [1.0], "y": other.from_host(Y, "cpu")})


def test_two_devices_of_one_library():
    class Two(type(gn.get_backend("readonly"))):
        def device_of(self, array):
            return f"cuda:{len(array)}"

        def owns(self, array):
            return isinstance(array, tuple)

    two = Two()
    try:
        registry._backend_of_type[tuple] = two
        assert placement_of({"X": (1, 2), "y": (3, 4)}) == (two, "cuda:2")
        with pytest.raises(ValueError, match="X in readonly on cuda:2, y in readonly on cuda:1"):
            placement_of({"X": (1, 2), "y": (3,)})
    finally:
        del registry._backend_of_type[tuple]


def test_placements_by_name(no_gpu):
    assert named_placement("auto") is None
    assert (
        named_placement("readonly") == named_placement("readonly:cpu") == (gn.get_backend("readonly"), "cpu")
    )
    with pytest.raises(ValueError, match="no device '7'"):
        named_placement("numpy:7")


def test_choosing(no_gpu, monkeypatch):
    numpy, readonly = gn.get_backend("numpy"), gn.get_backend("readonly")
    here, there = Placement(numpy, "cpu"), Placement(readonly, "cpu")
    theirs, mine = {"X": readonly.from_host(X, "cpu")}, {"X": X}
    for follow in (True, False):
        assert choose_placement("auto", None, {}, follow=follow) == here
        assert choose_placement("auto", None, mine, follow=follow) == here
        assert choose_placement("auto", None, theirs, follow=follow) == there
        assert choose_placement("readonly", there, mine, follow=follow) == there
        assert choose_placement("numpy", here, theirs, follow=follow) == here
    assert choose_placement("auto", there, mine, follow=False) == there
    assert choose_placement("auto", here, theirs, follow=False) == here
    assert choose_placement("auto", there, mine, follow=True) == here
    assert choose_placement("auto", here, theirs, follow=True) == there
    with pytest.raises(ValueError, match="one library"):  # whatever is chosen
        choose_placement("numpy", here, {**theirs, "y": Y}, follow=False)
    monkeypatch.setenv("GPUNET_BACKEND", "numpy")
    assert choose_placement("auto", None, theirs, follow=True) == here
    assert choose_placement("auto", there, theirs, follow=True) == here
    assert choose_placement("auto", there, theirs, follow=False) == there


def test_to_the_device(backend):
    place = Placement(backend, backend.devices()[0])
    array = place.to_device(X)
    assert backend.owns(array)
    assert backend.device_of(array) == place.device
    assert type(place.xp) is type(backend.namespace())
    with place.context():
        assert np.array_equal(backend.to_host(array), X)


def test_the_host_is_numpys():
    assert host_placement() == Placement(gn.get_backend("numpy"), "cpu")
