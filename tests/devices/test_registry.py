"""How backends are found, listed, asked for and refused, and what `import gpunet` costs."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices import registry
from gpunet.installation import install_command

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


def add_package(folder, name, module, source):
    """Put a package with an entry point for a backend into a folder."""
    (folder / f"{module}.py").write_text(source)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[gpunet.backends]\n{name} = {module}:backend\n")


BACKEND = """
import gpunet as gn
from gpunet_numpy import NumPyBackend
class Theirs(NumPyBackend):
    name = {name!r}
    install = "pip install theirs"
    def owns(self, array): return False
    {more}
backend = Theirs()
"""


def test_import_loads_no_other_library():
    heavy = "torch jax cupy scipy sklearn onnx polars matplotlib numba tqdm safetensors pooch pandas threadpoolctl"
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


def test_list_of_backends():
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
        assert install_command(extra) in str(caught.value)
        assert isinstance(caught.value, ImportError)
    if name == "cupy":
        monkeypatch.undo()
        type(backend).unavailable_reason.cache_clear()


def test_a_backend_of_another_package(tmp_path):
    add_package(tmp_path, "theirs", "theirs_gpunet", BACKEND.format(name="theirs", more=""))
    program = (
        "import gpunet as gn\n"
        "print([i for i in gn.devices.registry.entry_points_by_name() if i == 'theirs'])\n"
        "net = gn.Network([gn.Dense(2, 'softmax')], backend='theirs', seed=0)\n"
        "print(net.fit([[0., 1.], [1., 0.]], [0, 1], batch_size=None, epochs=1).backend)"
    )
    assert python(program, tmp_path).splitlines() == ["['theirs']", "theirs"]


@pytest.mark.parametrize("name", ["numpy", "cupy", "torch", "jax"])
def test_another_package_cannot_take_a_built_in_name(monkeypatch, name):
    other = EntryPoint(name, "other:backend", "gpunet.backends")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [other])
    registry.entry_points_by_name.cache_clear()
    try:
        assert registry.entry_points_by_name() == registry.BUILT_IN
    finally:
        monkeypatch.undo()
        registry.entry_points_by_name.cache_clear()


@pytest.fixture
def others(monkeypatch, tmp_path):
    """Adds backends of other packages, beside NumPy's and the read-only one, in this process."""
    monkeypatch.syspath_prepend(tmp_path)

    def clear():
        registry.entry_points_by_name.cache_clear()
        registry.load_backend.cache_clear()

    def add(**sources):
        points = [EntryPoint("readonly", "gpunet_readonly:backend", "gpunet.backends")]
        for name, source in sources.items():
            (tmp_path / f"{name}_gpunet.py").write_text(source)
            points.append(EntryPoint(name, f"{name}_gpunet:backend", "gpunet.backends"))
        monkeypatch.setattr(registry, "BUILT_IN", {"numpy": "gpunet_numpy:backend"})
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
        clear()

    yield add
    monkeypatch.undo()
    clear()


BROKEN = {
    "missing": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "failing": ("1/0", "failing_gpunet:backend is broken: ZeroDivisionError"),
    "number": ("backend = 3", "(number_gpunet:backend) must name an instance of gpunet.Backend, it is a int"),
    "empty": ("other = 3", "has no attribute 'backend'"),
    "driverless": (
        BACKEND.format(name="driverless", more="def unavailable_reason(self): raise OSError('no driver')"),
        "driverless_gpunet:backend is broken: OSError: no driver",
    ),
    "absent": (
        BACKEND.format(name="absent", more="def unavailable_reason(self): return 'It is absent.'"),
        "It is absent. To install it: pip install theirs",
    ),
    "nameless": (
        BACKEND.format(name="another", more=""),
        "(nameless_gpunet:backend) names a backend whose name is 'another': both must be the same",
    ),
    "owning": (
        BACKEND.format(name="owning", more="").replace("return False", "return array.dtype in None"),
        "owning_gpunet:backend is broken: AttributeError: 'NoneType' object has no attribute 'dtype'",
    ),
    "commandless": (
        BACKEND.format(
            name="commandless", more="def unavailable_reason(self): return 'It is absent.'"
        ).replace('    install = "pip install theirs"\n', "    install = gn.Backend.install\n"),
        "commandless_gpunet:backend is broken: NotImplementedError: Theirs needs an attribute install",
    ),
    "asleep": (
        BACKEND.format(name="asleep", more="def devices(self): raise OSError('it sleeps')"),
        "its devices can't be listed: OSError: it sleeps",
    ),
}


def test_broken_backends_are_listed_with_their_reasons(others):
    others(**{name: source for name, (source, _) in BROKEN.items()})
    gn.Network([gn.Dense(2, "softmax")], backend="numpy", inputs=2).predict([[0.0, 1.0]])
    listed = {info.name: info for info in gn.list_backends()}
    assert list(listed) == ["numpy", *sorted([*BROKEN, "readonly"])]
    for name, (_, reason) in BROKEN.items():
        assert not listed[name].usable
        assert listed[name].devices == ()
        assert reason in listed[name].reason
        assert str(listed[name]) == f"{name}: {listed[name].reason}"
        # Without its devices a backend is no use, but only they know it.
        error, said = (OSError, "it sleeps") if name == "asleep" else (gn.BackendUnavailable, reason)
        with pytest.raises(error) as caught:
            gn.Network([gn.Dense(1)], backend=name)
        assert said in str(caught.value)
        if name != "asleep":
            assert str(caught.value).startswith(f"backend '{name}' can't be used here: ")
    for name in ("numpy", "readonly"):
        assert (listed[name].usable, listed[name].devices, listed[name].reason) == (True, ("cpu",), "")
        assert str(listed[name]) == f"{name}: cpu"


@pytest.mark.parametrize(("name", "devices"), [("none", "[]"), ("text", "'cpu'"), ("nothing", "None")])
def test_a_backend_without_a_list_of_devices_is_not_usable(others, name, devices):
    more = f"def devices(self): return {devices}"
    others(**{name: BACKEND.format(name=name, more=more)})
    (row,) = (row for row in gn.list_backends() if row.name == name)
    assert (row.usable, row.devices) == (False, ())
    assert "must give a list of at least one device, such as ['cpu']" in row.reason


def test_a_backend_in_a_package_of_several_modules(others, tmp_path):
    """The class in one, its instance in another: copies and pickles are the same object."""
    (tmp_path / "their_class.py").write_text(BACKEND.format(name="package", more=""))
    source = "import their_class\nclass Here: there = their_class.Theirs()\nbackend = Here.there"
    others(package=source)
    net = gn.Network([gn.Dense(2, "softmax")], inputs=2, backend="package", seed=0)
    net.predict([[0.0, 1.0]])
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.placement.backend is net.placement.backend
        np.testing.assert_array_equal(twin.predict([[0.0, 1.0]]), net.predict([[0.0, 1.0]]))


def test_entry_points_of_attributes_within_attributes(others, tmp_path, monkeypatch):
    others(nested=BACKEND.format(name="nested", more="") + "class Here: there = backend")
    point = EntryPoint("nested", "nested_gpunet:Here.there", "gpunet.backends")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    registry.entry_points_by_name.cache_clear()
    assert gn.get_backend("nested").entry_point == "nested_gpunet:Here.there"


def test_a_backend_in_use_from_another_package(others):
    others(theirs=BACKEND.format(name="theirs", more=""))
    net = gn.Network([gn.Dense(2, "softmax")], backend="theirs", seed=0)
    assert net.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], batch_size=None, epochs=1).backend == "theirs"
    assert registry.load_backend("theirs") is registry.load_backend("theirs") is net.placement.backend


def test_an_entry_point_without_an_attribute_means_backend(others, monkeypatch):
    others()
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: [EntryPoint("readonly", "gpunet_readonly", "gpunet.backends")],
    )
    registry.entry_points_by_name.cache_clear()
    assert registry.load_backend("readonly").name == "readonly"


def test_a_broken_owns_does_no_harm(others):
    others(theirs=BACKEND.format(name="theirs", more="").replace("return False", "return 1/0"))
    assert registry.backend_of([[0.0, 1.0]]) is None
    net = gn.Network([gn.Dense(2)], backend="numpy", inputs=2)
    assert net.predict([[0.0, 1.0]]).shape == (1, 2)


def test_whose_an_array_is(backend):
    array = backend.from_host(np.zeros(3), backend.devices()[0])
    for _ in range(2):  # looked up, then remembered
        assert registry.backend_of(array) is backend
    for nobodys in ([1.0], 3, "text", None, object()):
        assert registry.backend_of(nobodys) is None


class Devices:
    name = "some"

    def __init__(self, *names):
        self.names = names

    def devices(self):
        return list(self.names)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("some", "cuda:0"),
        ("some:1", "cuda:1"),
        ("some:cuda:1", "cuda:1"),
        ("some:cuda", "cuda:0"),
        ("some:cpu", "cpu"),
        ("some:11", "cuda:11"),
    ],
)
def test_devices_by_name(wanted, found):
    assert registry.find_device(Devices("cuda:0", "cuda:11", "cuda:1", "cpu"), wanted) == found


@pytest.mark.parametrize("devices", [[], "cpu", None])
def test_a_backend_that_lists_no_devices(devices):
    backend = Devices()
    backend.devices = lambda: devices
    with pytest.raises(
        gn.BackendUnavailable, match=r"'some' must give a list of at least one device, .* got "
    ):
        registry.find_device(backend, "some")


@pytest.mark.parametrize("wanted", ["some:2", "some:cuda:2", "some:cud", "some:u:1", "some:"])
def test_devices_that_are_not_there(wanted):
    if wanted == "some:":  # an empty name is none
        assert registry.find_device(Devices("cuda:0", "cpu"), wanted) == "cuda:0"
        return
    with pytest.raises(ValueError, match=r"backend 'some' has no device .* here; it has cuda:0, cpu"):
        registry.find_device(Devices("cuda:0", "cpu"), wanted)


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


def test_rows_of_the_list_of_backends_are_immutable():
    row = registry.BackendInfo("numpy", True, ("cpu",), "")
    with pytest.raises(FrozenInstanceError):
        row.usable = False
    assert len({row, registry.BackendInfo("numpy", True, ("cpu",), "")}) == 1


def test_the_library_of_a_type_is_asked_for_once(monkeypatch):
    numpy, asked = gn.get_backend("numpy"), []
    owns = type(numpy).owns
    monkeypatch.setattr(registry, "_backend_of_type", {})
    monkeypatch.setattr(
        type(numpy), "owns", lambda self, array: asked.append(type(array)) or owns(self, array)
    )
    for _ in range(3):
        assert registry.backend_of(np.ones(2)) is numpy
    assert asked == [np.ndarray]


def test_the_packages_of_built_in_backends():
    assert registry.BUILT_IN == {
        "numpy": "gpunet_numpy:backend",
        "cupy": "gpunet_cupy:backend",
        "torch": "gpunet_torch:backend",
        "jax": "gpunet_jax:backend",
    }


MEANT = {
    "cpu": "numpy",
    "CPU": "numpy",
    "np": "numpy",
    "cuda": "cupy",
    "cuda:0": "cupy",
    "gpu": "cupy",
    "cp": "cupy",
    "tpu": "jax",
}


@pytest.mark.parametrize("name", MEANT)
def test_a_kind_of_device_is_no_backend(name):
    with pytest.raises(ValueError, match=rf"unknown backend '\w+'\. It is '{MEANT[name]}' here"):
        gn.get_backend(name)
