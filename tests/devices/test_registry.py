"""How backends are found, listed, asked for and refused, and what `import gpunet` costs."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

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
