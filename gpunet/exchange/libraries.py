"""The tools that networks are exchanged with, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from gpunet.installation import install_command


def onnx() -> Any:
    """The module `onnx`, which writes ONNX files; onnxruntime and others run them."""
    return _import("onnx", "ONNX files are written with onnx")


def torch() -> Any:
    """The module `torch`."""
    return _import("torch", "PyTorch modules are made with torch")


def _import(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose}, which is not installed; install it with: {install_command(name)}"
        ) from error
