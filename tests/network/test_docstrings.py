"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil

import gpunet


def test_examples():
    tried = 0
    for info in pkgutil.iter_modules(gpunet.__path__):
        if info.ispkg or info.name == "__main__":
            continue
        result = doctest.testmod(importlib.import_module(f"gpunet.{info.name}"))
        assert result.failed == 0, info.name
        tried += result.attempted
    assert tried > 0
