"""How backends are found, listed, asked for and refused, and what `import gpunet` costs."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices import registry

ROOT = Path(__file__).parents[2]


def python(program, *folders, **environment):
    """Run a program in a fresh interpreter that finds the checkout."""
    folders = [str(f) for f in (ROOT, ROOT / "backends", *folders)]
    kept = {k: v for k, v in os.environ.items() if k != "GPUNET_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPATH": os.pathsep.join(folders), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def stranger(folder, name, module, source):
    """A package of somebody else's, with an entry point."""
    (folder / f"{module}.py").write_text(source)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[gpunet.backends]\n{name} = {module}:backend\n")


BACKEND = """
from gpunet_numpy import NumPyBackend
class Theirs(NumPyBackend):
    name = {name!r}
    install = "pip install theirs"
    def owns(self, array): return False
    {more}
backend = Theirs()
"""


def test_import_is_light():
    heavy = "torch jax cupy scipy sklearn matplotlib numba tqdm safetensors pooch pandas threadpoolctl"
    loaded = python(f"import sys, gpunet; print(*[m for m in {heavy.split()} if m in sys.modules])")
    assert loaded == ""


def test_using_numpy_needs_no_other_library():
    program = (
        "import sys, gpunet as gn\n"
        "net = gn.Network([gn.Dense(2, 'softmax')], backend='numpy')\n"
        "net.fit([[0., 1.], [1., 0.]], [0, 1], batch_size=None); net.predict([[0., 1.]])\n"
        "print(*[m for m in ('torch', 'jax', 'cupy', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    assert python(program) == ""


def test_the_list():
    infos = {info.name: info for info in gn.list_backends()}
    assert {"numpy", "cupy", "torch", "jax"} <= infos.keys()
    assert infos["numpy"].usable
    assert str(infos["numpy"]) == "numpy: cpu"
    for info in infos.values():
        assert bool(info.devices) == info.usable
        assert bool(info.reason) != info.usable
        if info.usable:
            assert gn.get_backend(info.name).devices() == list(info.devices)
        else:
            assert "install" in info.reason
            with pytest.raises(gn.BackendUnavailable):
                gn.get_backend(info.name)


@pytest.mark.parametrize("name", ["torch", "jax", "cupy"])
def test_a_missing_library_is_answered_with_the_command(monkeypatch, name):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == name else find(n, *a))
    backend = registry.load_backend(name)
    if name == "cupy":
        type(backend).unavailable_reason.cache_clear()
    for call in (gn.get_backend, lambda n: gn.Network([gn.Dense(1)], backend=n)):
        with pytest.raises(gn.BackendUnavailable, match="not installed") as caught:
            call(name)
        extra = "cuda13" if name == "cupy" else name
        assert f'pip install "gpunet[{extra}]"' in str(caught.value)
        assert isinstance(caught.value, ImportError)
    if name == "cupy":
        monkeypatch.undo()
        type(backend).unavailable_reason.cache_clear()


def test_a_strangers_backend(tmp_path):
    stranger(tmp_path, "theirs", "theirs_gpunet", BACKEND.format(name="theirs", more=""))
    program = (
        "import gpunet as gn\n"
        "print([i for i in gn.devices.registry.entry_points_by_name() if i == 'theirs'])\n"
        "net = gn.Network([gn.Dense(2, 'softmax')], backend='theirs', seed=0)\n"
        "print(net.fit([[0., 1.], [1., 0.]], [0, 1], batch_size=None, epochs=1).backend)"
    )
    assert python(program, tmp_path).splitlines() == ["['theirs']", "theirs"]


@pytest.mark.parametrize("name", ["numpy", "cupy", "torch", "jax"])
def test_a_stranger_cannot_take_a_built_in_name(monkeypatch, name):
    evil = EntryPoint(name, "evil:backend", "gpunet.backends")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [evil])
    registry.entry_points_by_name.cache_clear()
    try:
        assert registry.entry_points_by_name() == registry.BUILT_IN
    finally:
        monkeypatch.undo()
        registry.entry_points_by_name.cache_clear()


BROKEN = {
    "missing": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "failing": ("1/0", "ZeroDivisionError"),
    "number": ("backend = 3", "must name an instance of gpunet.Backend, it is a int"),
    "empty": ("other = 3", "has no attribute 'backend'"),
    "driverless": (
        BACKEND.format(name="driverless", more="def unavailable_reason(self): raise OSError('no driver')"),
        "no driver",
    ),
    "asleep": (
        BACKEND.format(name="asleep", more="def devices(self): raise OSError('it sleeps')"),
        "it sleeps",
    ),
}


def test_broken_strangers_are_listed_with_their_reasons_and_hurt_nobody(tmp_path):
    for name, (source, _) in BROKEN.items():
        stranger(tmp_path, name, f"{name}_gpunet", source)
    program = (
        "import gpunet as gn\n"
        "gn.Network([gn.Dense(2, 'softmax')], backend='numpy', inputs=2).predict([[0., 1.]])\n"
        "listed = {i.name: i for i in gn.list_backends()}\n"
        f"for name in {list(BROKEN)}:\n"
        "    try: gn.Network([gn.Dense(1)], backend=name)\n"
        "    except (gn.BackendUnavailable, OSError) as error: print(listed[name], '|', error)"
    )
    lines = python(program, tmp_path).splitlines()
    for line, (_, reason) in zip(lines, BROKEN.values(), strict=True):
        listed, refused = line.split("|")
        assert reason in listed
        assert reason in refused


def test_a_broken_owns_hurts_nobody(tmp_path):
    source = BACKEND.format(name="theirs", more="").replace("return False", "return 1/0")
    stranger(tmp_path, "theirs", "theirs_gpunet", source)
    program = (
        "import gpunet as gn\n"
        "print(gn.Network([gn.Dense(2)], backend='numpy', inputs=2).predict([[0., 1.]]).shape)"
    )
    assert python(program, tmp_path) == "(1, 2)"


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


def test_jax_in_its_32_bit_mode():
    """NumPy's 64-bit defaults are no obstacle to a float32 network; a float64 one is refused, with the way out."""
    pytest.importorskip("jax", reason="JAX is not installed")
    program = (
        "import numpy as np, gpunet as gn\n"
        "X = np.linspace(0., 1., 12).reshape(4, 3)\n"
        "net = gn.Network([gn.Dense(1)], backend='jax', seed=0)\n"
        "net.fit(X, np.arange(4) / 2, batch_size=None, epochs=1, sample_weight=np.ones(4))\n"
        "net = gn.Network([gn.Dense(3, 'softmax')], backend='jax', seed=0)\n"
        "for y in (np.array([0, 1, 2, 0]), np.array([0., 1., 2., 0.]), np.eye(4)[:, :3] + [[0,0,0]]*3 + [[1,0,0]]):\n"
        "    net.evaluate(X, y)\n"
        "try: net.evaluate(X, [0, 1, 2, 2**32])\n"
        "except ValueError as error: print('row 3 is 4294967296' in str(error))\n"
        "try: gn.Network([gn.Dense(1)], backend='jax', inputs=3, dtype='float64').predict(X)\n"
        "except ValueError as error: print('JAX_ENABLE_X64' in str(error))"
    ).replace(", np.eye(4)[:, :3] + [[0,0,0]]*3 + [[1,0,0]]", ", np.eye(3)[[0, 1, 2, 0]]")
    assert python(program, JAX_ENABLE_X64="0").splitlines() == ["True", "True"]


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
