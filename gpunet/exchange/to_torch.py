"""A network as a PyTorch module."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.layers import Dropout
from gpunet.exchange.known import known_activations
from gpunet.exchange.libraries import torch as import_torch
from gpunet.files.saved_network import SavedNetwork


def torch_module(saved: SavedNetwork, logits: bool) -> Any:
    """The nn.Sequential of a network, in evaluation mode; see :meth:`gpunet.Network.to_torch`."""
    torch = import_torch()
    from gpunet.exchange.torch_modules import MODULES, OwnUnit, Standardize

    activations = known_activations(saved, "PyTorch has no module for it")
    if logits and activations[-1] not in ("softmax", "sigmoid"):
        raise ValueError(
            f"logits=True leaves out a softmax or sigmoid at the end, this network ends with {activations[-1]}: leave "
            "logits out"
        )
    modules: list[Any] = []
    standardizer = saved.standardizer
    if standardizer is not None and standardizer.fitted:
        dtype = getattr(torch, saved.dtype)
        measured = standardizer.mean, standardizer.deviation
        modules.append(Standardize(*measured, dtype, standardizer.per, standardizer.center))
    remaining = iter(zip(saved.parameters, activations, strict=True))
    for layer in saved.layers:
        if isinstance(layer, Dropout):
            modules.append(torch.nn.Dropout(layer.rate))
            continue
        (W, b), activation = next(remaining)
        modules.append(_linear(torch, W, b[:, 0]).requires_grad_(layer.trainable))
        if activation != "identity":
            modules.append(MODULES[str(activation)]())
    if logits:
        del modules[-1]
    if saved.target is not None and saved.target.class_names is None:
        modules.append(OwnUnit(saved.target.center, saved.target.scale))
    return torch.nn.Sequential(*modules).eval()


def _linear(torch: Any, W: Any, b: Any) -> Any:
    """A Linear with copies of W and b; its own random start is not drawn, which leaves torch's generator alone."""
    units, inputs = W.shape
    linear = torch.nn.Linear(inputs, units, dtype=getattr(torch, W.dtype.name), device="meta").to_empty(
        device="cpu"
    )
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.array(W)))
        linear.bias.copy_(torch.from_numpy(np.array(b)))
    return linear
