"""Everybody who runs: gpunet, its reference program, and the peers, one file each."""

from __future__ import annotations

import importlib
import importlib.util
from typing import NamedTuple


class About(NamedTuple):
    label: str
    needs: tuple[str, ...] = ()  # modules that must be installed
    trains: bool = True
    predicts: bool = False
    slow: bool = False  # far from the best in every cell: fewer rounds, and not in quick mode
    only: str = ""  # the kind of device it computes on, where there is but one


CONTENDERS = {
    "gpunet": About("gpunet", predicts=True),
    "gpunet_reference": About("gpunet reference", slow=True),
    "textbook": About("textbook NumPy", predicts=True, only="cpu"),
    "torch_eager": About("PyTorch eager", ("torch",), predicts=True),
    "torch_compiled": About("torch.compile", ("torch",), slow=True),
    "torch_graph": About("PyTorch CUDA graph", ("torch",), only="cuda"),
    "jax_jit": About("JAX jit", ("jax",), predicts=True),
    "jax_scan": About("JAX scan", ("jax",)),
    "sklearn_mlp": About("scikit-learn", ("sklearn",), slow=True, only="cpu"),
    "keras_fit": About("Keras", ("keras", "jax"), slow=True, only="cpu"),
    "thinc_train": About("thinc", ("thinc",), slow=True, only="cpu"),
    "onnx_infer": About("onnxruntime", ("onnx", "onnxruntime"), trains=False, predicts=True, only="cpu"),
}
OURS = ("gpunet", "gpunet_reference")


def selected(asked, quick, device="cpu"):
    """Names of those who take part on a kind of device, gpunet first, and why others do not.

    Raises
    ------
    ValueError
        If somebody unknown is asked for.
    """
    unknown = sorted(set(asked) - CONTENDERS.keys())
    if unknown:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    taking_part, absent = ["gpunet"], {}
    for name, about in CONTENDERS.items():
        if about.only not in ("", device):
            continue
        why = missing(name)
        if why is None and not asked and quick and about.slow:
            why = "not in quick mode"
        if why is not None:
            absent[name] = why
        elif name != "gpunet" and (name in asked or not asked):
            taking_part.append(name)
    return taking_part, absent


def missing(name):
    """Which of a contender's libraries is not installed; None if all are."""
    for module in CONTENDERS[name].needs:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    return None


def load(name):
    """The class of a contender; this imports its library."""
    return importlib.import_module(f"benchmarks.peers.{name}").Contender
