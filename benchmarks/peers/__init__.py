"""What is measured: gpunet, its reference program, and the peers.

Each is one module of this package with a class `Implementation`, see :mod:`benchmarks.peers.base`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import NamedTuple


class About(NamedTuple):
    label: str
    requires: tuple[str, ...] = ()  # modules that must be installed
    trains: bool = True
    predicts: bool = False
    slow: bool = False  # far behind the fastest in every case: fewer cases and rounds, and not in quick mode
    precisions: bool = False  # whether it is measured at TF32 and bfloat16 too
    device: str = ""  # the only kind of device that it is measured on; empty for any


IMPLEMENTATIONS = {
    "gpunet": About("gpunet", predicts=True, precisions=True),
    "gpunet_reference": About("gpunet reference", slow=True),
    "textbook": About("textbook NumPy", predicts=True, device="cpu"),
    "torch_eager": About("PyTorch eager", ("torch",), predicts=True),
    "torch_compiled": About("torch.compile", ("torch",), slow=True),
    "torch_graph": About("PyTorch CUDA graph", ("torch",), predicts=True, precisions=True, device="cuda"),
    "jax_jit": About("JAX jit", ("jax",), predicts=True),
    "jax_scan": About("JAX scan", ("jax",), precisions=True),
    "sklearn_mlp": About("scikit-learn", ("sklearn",), slow=True, device="cpu"),
    "keras_fit": About("Keras", ("keras", "jax"), slow=True, device="cpu"),
    "thinc_train": About("thinc", ("thinc",), slow=True, device="cpu"),
    "onnx_infer": About("onnxruntime", ("onnx", "onnxruntime"), trains=False, predicts=True, device="cpu"),
}
GPUNETS = ("gpunet", "gpunet_reference")  # those that are no peers


def selected(wanted, quick, device="cpu"):
    """The implementations to measure, gpunet first, and those that are excluded.

    Parameters
    ----------
    wanted : list of str
        Names of peers; empty for all.
    quick : bool
    device : {"cpu", "cuda"}

    Returns
    -------
    names : list of str
    excluded : dict
        Name to reason.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    unknown = sorted(set(wanted) - IMPLEMENTATIONS.keys())
    if unknown:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(IMPLEMENTATIONS)}")
    names, excluded = ["gpunet"], {}
    for name, about in IMPLEMENTATIONS.items():
        if about.device not in ("", device):
            continue
        reason = missing_requirement(name)
        if reason is None and not wanted and quick and about.slow:
            reason = "not in quick mode"
        if reason is not None:
            excluded[name] = reason
        elif name != "gpunet" and (name in wanted or not wanted):
            names.append(name)
    return names, excluded


def missing_requirement(name):
    """Which library of an implementation is not installed, in a sentence; None if all are."""
    for module in IMPLEMENTATIONS[name].requires:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    return None


def load(name):
    """The class of an implementation; this imports its library."""
    return importlib.import_module(f"benchmarks.peers.{name}").Implementation
