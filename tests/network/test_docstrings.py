"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import gpunet

MODULES = [
    importlib.import_module(f"gpunet.{info.name}")
    for info in pkgutil.iter_modules(gpunet.__path__)
    if not info.ispkg and info.name != "__main__"
]
EXAMPLES = [test for module in MODULES for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example):
    for library in ("onnxruntime", "torch", "sklearn"):
        if library in example.docstring:
            pytest.importorskip(library)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_there_are_examples():
    assert len(EXAMPLES) > 1
