"""Everything in ``core/`` is pure: it knows no array library, only the namespace that it is handed."""

import ast
from pathlib import Path

import pytest

from gpunet import core

FILES = sorted(Path(core.__file__).parent.glob("**/*.py"))
LIBRARIES = {
    "numpy", "np", "cupy", "cp", "torch", "jax", "jnp", "tensorflow", "tf", "mlx", "scipy", "numba",
    "array_api_compat", "array_api_strict",
}  # fmt: skip
STANDARD = {
    "__future__",
    "abc",
    "collections",
    "copy",
    "dataclasses",
    "difflib",
    "functools",
    "inspect",
    "math",
    "numbers",
    "typing",
}
# What `isinstance` and `hasattr` may ask of an argument: Python's own types, and core's. Never an array's.
ASKED = {
    "slice", "str", "dict", "bool", "int", "numbers.Integral", "numbers.Real", "Dense", "Dropout", "Dense | Dropout",
    "str | dict", "str | bytes", "'__iter__'", "Optimizer", "Activation", "Loss", "type", "Hashable",
    "Columns", "ColumnsInParts", "'learning_rate'", "Iterable", "tuple | list",
}  # fmt: skip


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree):
    """The nodes of all docstrings: they may name libraries."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }


def impurities(tree):
    """Imports from outside the standard library and core, and any name of an array library."""
    found, documentation = [], docstrings(tree)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found += [n for n in names if n.split(".")[0] not in STANDARD]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            allowed = module.split(".")[0] in STANDARD or module.startswith("gpunet.core.")
            found += [] if allowed and not node.level else [module or "."]
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.arg):
            names = [node.arg]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            names = [node.value.lower()]  # as in: if name == "numpy"
        found += [name for name in names if name.split(".")[0] in LIBRARIES]
    return found


def questions(tree):
    """Where the code asks what type or module an argument is of."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            asked = ast.unparse(node.args[1]) if name in ("isinstance", "hasattr") else None
            if name in ("type", "__import__", "getattr") or (asked is not None and asked not in ASKED):
                found.append(ast.unparse(node))
        if isinstance(node, ast.Attribute) and node.attr in ("__module__", "__class__"):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_array_library_is_named(path):
    assert impurities(tree_of(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_code_depends_on_the_library(path):
    allowed = {
        # NumPy's bool is no bool of Python; a type that is no name is named in the error.
        "checks": {"type(value)", "getattr(settings, field.name)", "getattr(name, '__name__', str(name))"},
        "dropout": {"getattr(like, 'device', None)"},
        "losses": {"isinstance(self.canonical, ActivationLike)", "isinstance(self.outputs, frozenset)"},
        "own_functions": {"getattr(result, 'shape', None)", "type(optimizer)"},
        "schedules": {"isinstance(rate, Cosine)", "isinstance(rate, Scaled)", "isinstance(rate, ClosedForm)"},
    }
    assert [one for one in questions(tree_of(path)) if one not in allowed.get(path.stem, ())] == []


@pytest.mark.parametrize(
    "code",
    [
        "import numpy",
        "import os",
        "import numpy as xp",
        "from jax import numpy as xp",
        "import array_api_compat.torch as xp",
        "def f(x):\n    return np.exp(x)",
        "def f(xp, name):\n    return 1 if name == 'numpy' else 2",
        "def f(backend):\n    return backend.torch",
        "from scipy.special import expit",
        "from gpunet.devices.backend import Backend",
        "from . import numpy",
    ],
)
def test_the_search_finds_impurities(code):
    assert impurities(ast.parse(code))


@pytest.mark.parametrize(
    "code", ["type(x)", "isinstance(x, Array)", "hasattr(x, 'device')", "x.__class__", "__import__('os')"]
)
def test_the_search_finds_questions(code):
    assert questions(ast.parse(code))
