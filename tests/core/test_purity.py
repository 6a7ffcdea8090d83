"""The math room knows no array library: only the namespace that it is handed."""

import ast
from pathlib import Path

import pytest

import gpunet

PURE = [
    "activations",
    "losses",
    "initializers",
    "dropout",
    "propagation",
    "optimizers",
    "schedules",
    "descent",
    "plan",
    "metrics",
]
LIBRARIES = {
    "numpy", "np", "cupy", "cp", "torch", "jax", "jnp", "tensorflow", "tf", "mlx", "scipy", "numba",
    "array_api_compat", "array_api_strict",
}  # fmt: skip
STANDARD = {"__future__", "collections", "dataclasses", "functools", "math", "typing"}


def tree_of(name):
    return ast.parse((Path(gpunet.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))


def docstrings(tree):
    """The nodes of all docstrings: there, libraries may be spoken of."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }


def impurities(tree):
    """Imports from outside the standard library and gpunet, and any name of an array library."""
    found, spoken = [], docstrings(tree)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found += [n for n in names if n.split(".")[0] not in STANDARD | {"gpunet"}]
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            found += [] if module in STANDARD | {"gpunet"} and not node.level else [node.module]
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.arg):
            names = [node.arg]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            names = [node.value.lower()]  # as in: if name == "numpy"
        found += [name for name in names if name.split(".")[0] in LIBRARIES]
    return found


@pytest.mark.parametrize("name", PURE)
def test_no_array_library_is_named(name):
    assert impurities(tree_of(name)) == []


@pytest.mark.parametrize("name", PURE)
def test_nobody_asks_which_library_it_is(name):
    """No look at an array's type or module, no backend."""
    tree = tree_of(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            # Asking for a slice is asking about the batch, not about its library.
            harmless = node.func.id == "isinstance" and ast.unparse(node.args[1]) == "slice"
            assert harmless or node.func.id not in ("isinstance", "type", "hasattr", "__import__"), (
                node.lineno
            )
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("__module__", "__class__", "__name__") or name == "initializers"
        if isinstance(node, ast.ImportFrom):
            assert "backend" not in (node.module or "")


@pytest.mark.parametrize(
    "code",
    [
        "import numpy",
        "import numpy as xp",
        "from jax import numpy as xp",
        "import array_api_compat.torch as xp",
        "def f(x):\n    return np.exp(x)",
        "def f(xp, name):\n    return 1 if name == 'numpy' else 2",
        "def f(backend):\n    return backend.torch",
        "from scipy.special import expit",
        "from . import numpy",
    ],
)
def test_the_search_finds_what_it_looks_for(code):
    assert impurities(ast.parse(code))
