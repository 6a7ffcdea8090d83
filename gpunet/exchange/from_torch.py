"""A PyTorch module as a network. Imports torch: import it where it is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from gpunet.core.activations import ActivationLike
from gpunet.core.architecture import dense_and_dropouts
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES, LossLike
from gpunet.core.output import loss_for
from gpunet.exchange.targets import target_of_values
from gpunet.exchange.torch_modules import NAMES, SETTINGS, OwnUnit, Standardize
from gpunet.files.saved_network import SavedNetwork
from gpunet.inputs.standardizer import Standardizer
from gpunet.tables import Target

Module = Any
_SUPPORTED = (
    "Linear, Dropout, Identity, and the activations ReLU, Sigmoid, Tanh, LeakyReLU, ELU, SELU, Softplus, SiLU, GELU, "
    "Mish and Softmax, in an nn.Sequential (nested ones too); Flatten before the first Linear; LogSoftmax at the end"
)


def from_module(module: Module, loss: LossLike | None, seed: int | None) -> SavedNetwork:
    """What a module says of a network; see :func:`gpunet.from_torch`."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    reader = _Reader()
    for name, one in _flat(module, ""):
        reader.read(name, one)
        _require_own_forward(_what(name, one), one)
    return reader.network(loss, seed)


def _flat(module: Module, name: str) -> Iterator[tuple[str, Module]]:
    """The modules of nested nn.Sequential in order, with their places, such as "0.2"; one that recurs, each time."""
    if type(module) is not nn.Sequential:
        yield name, module
        return
    _require_own_forward(_what(name, module), module)
    for k, child in enumerate(module):
        yield from _flat(child, f"{name}.{k}" if name else str(k))


class _Reader:
    """Takes one module after the other, and refuses what gpunet computes differently or not at all."""

    def __init__(self) -> None:
        self.layers: list[Dense | Dropout] = []
        self.linears: list[Module] = []
        self.memory: list[range] = []  # of all weights and biases
        self.standardizer: Standardizer | None = None
        self.target: Target | None = None
        self.bare = False  # whether the last module is a Linear, so that an activation may follow
        self.ended = ""  # the module after which there may be none

    def read(self, name: str, module: Module) -> None:
        """Take one module.

        Raises
        ------
        ValueError
            If it is not supported, or not at this place.
        """
        kind, what = type(module), _what(name, module)
        if kind is nn.Identity:
            return
        if self.ended:
            raise ValueError(f"{what}, but nothing may follow {self.ended}")
        if kind is nn.Linear:
            _require_own_parameters(what, module)
            self._require_own_memory(what, module)
            self.linears.append(module)
            self.layers.append(Dense(module.out_features, trainable=_trainable(what, module)))
        elif kind is nn.Dropout:
            self.layers.append(Dropout(module.p))
        elif kind in (nn.Flatten, Standardize):
            self._first(what, module)
        elif kind is OwnUnit:
            self.ended, self.target = "OwnUnit", target_of_values(float(module.center), float(module.scale))
        elif kind in NAMES or kind is nn.LogSoftmax:
            self._activation(what, module)
        else:
            raise ValueError(
                f"{what}, which has no counterpart in gpunet. from_torch takes {_SUPPORTED}. Pass the part of your "
                "module that is such a stack."
            )
        self.bare = kind is nn.Linear

    def _require_own_memory(self, what: str, linear: Module) -> None:
        """Raise a ValueError for a weight or bias that is another one too, or a view of it."""
        for name, value in _named_parameters(linear):
            addresses = _addresses(value)
            if any(max(addresses.start, one.start) < min(addresses.stop, one.stop) for one in self.memory):
                raise ValueError(f"{what}, whose {name} another one has too: gpunet's layers share none")
            self.memory.append(addresses)

    def _first(self, what: str, module: Module) -> None:
        if self.layers:
            raise ValueError(f"{what}, which from_torch takes before the first Linear only")
        if isinstance(module, Standardize):
            if self.standardizer is not None:
                raise ValueError(f"{what}, the second one: gpunet standardises once")
            # One that an earlier version pickled does not say.
            self.standardizer = Standardizer(module.per, getattr(module, "center", True))
            self.standardizer.mean, self.standardizer.deviation = map(_host, (module.mean, module.deviation))
        elif (module.start_dim, module.end_dim) != (1, -1):
            raise ValueError(f"{what}; gpunet flattens each example whole: Flatten() with its defaults")

    def _activation(self, what: str, module: Module) -> None:
        kind = type(module)
        if not self.bare:
            raise ValueError(f"{what}, which must follow a Linear: an activation belongs to its layer")
        wrong = [
            f"{setting}={value}"
            for setting, value in SETTINGS.get(kind, {}).items()
            if getattr(module, setting) != value
        ]
        if wrong:
            raise ValueError(f"{what}; gpunet has it with {', '.join(wrong)} only")
        if getattr(module, "dim", 1) not in (1, -1):
            raise ValueError(f"{what}; gpunet has it over the outputs of an example: dim=1")
        if kind is nn.LogSoftmax:
            self.ended = "LogSoftmax"
        self._activate(NAMES.get(kind, "softmax"))

    def _activate(self, activation: ActivationLike) -> None:
        """Give the last Linear its activation."""
        layer = self.layers[-1]
        assert isinstance(layer, Dense)
        self.layers[-1] = dataclasses.replace(layer, activation=activation)

    def network(self, loss: LossLike | None, seed: int | None) -> SavedNetwork:
        """The network of all modules that were read."""
        if not self.linears:
            raise ValueError(f"the module has no Linear layer; from_torch takes {_SUPPORTED}")
        if self.bare and isinstance(loss, str) and loss in LOSSES:
            # PyTorch's losses take logits: the output is the one that the loss means.
            self._activate(LOSSES[loss].canonical or "identity")
        dense, _ = dense_and_dropouts(self.layers)
        parameters = [value for linear in self.linears for _, value in _named_parameters(linear)]
        kinds = sorted({str(value.dtype).removeprefix("torch.") for value in parameters})
        if len(kinds) > 1 or kinds[0] not in ("float32", "float64"):
            raise ValueError(
                f"weights and biases are {' and '.join(kinds)}; gpunet has all float32 or all float64: pass "
                "module.float()"
            )
        return SavedNetwork(
            self.layers,
            loss_for(dense[-1], loss),
            self.linears[0].in_features,
            seed,
            kinds[0],
            self.standardizer,
            [_parameters(linear) for linear in self.linears],
            epochs_trained=0,
            notes={},
            target=self.target,
        )


def _what(name: str, module: Module) -> str:
    """A module at its place, as messages begin; the whole has no place."""
    if not name:
        return f"it is {type(module).__name__}"
    return f"module {name} is {module if type(module) is not nn.Sequential else 'Sequential'}"


def _require_own_forward(what: str, module: Module) -> None:
    """Raise a ValueError for a module that computes something else than its class does."""
    held = vars(module)
    if "forward" in held:
        raise ValueError(
            f"{what}, whose forward was set on this module alone, and gpunet computes what its class does: delete it "
            "(del module.forward)"
        )
    # Hooks of the backward pass do not change what a module computes.
    if held["_forward_hooks"] or held["_forward_pre_hooks"]:
        raise ValueError(
            f"{what}, which has a forward hook, and gpunet calls none: take it off with the remove() of what "
            "register_forward_hook or register_forward_pre_hook returned"
        )


def _require_own_parameters(what: str, linear: Module) -> None:
    """Raise a ValueError for a weight or bias that is no dense array of numbers, or none of its own.

    Old weight norms compute it from others before each call.
    """
    for name, value in _named_parameters(linear):
        if not isinstance(value, nn.Parameter):
            raise ValueError(
                f"{what}, whose {name} is computed from other parameters: make it one, as "
                "torch.nn.utils.remove_weight_norm and prune.remove do"
            )
        if value.is_meta:
            raise ValueError(
                f"{what}, whose {name} has no numbers, being on PyTorch's device meta: use "
                "module.to_empty(device='cpu'), and load its state"
            )
        if value.layout != torch.strided:
            raise ValueError(
                f"{what}, whose {name} is {str(value.layout).removeprefix('torch.')}, and gpunet's are dense: give it "
                f"nn.Parameter({name}.to_dense())"
            )


def _named_parameters(linear: Module) -> list[tuple[str, Any]]:
    """Weight and bias; there may be no bias."""
    named = (("weight", linear.weight), ("bias", linear.bias))
    return [(name, value) for name, value in named if value is not None]


def _addresses(tensor: Any) -> range:
    """From the first number's first byte to the last one's last."""
    last = sum((size - 1) * tensor.stride(axis) for axis, size in enumerate(tensor.shape))
    start = tensor.data_ptr()
    return range(start, start + (last + 1) * tensor.element_size())


def _trainable(what: str, linear: Module) -> bool:
    """Whether weight and bias are trained, or neither is."""
    trainable = bool(linear.weight.requires_grad)
    if linear.bias is not None and bool(linear.bias.requires_grad) != trainable:
        raise ValueError(f"{what}, of which either weight or bias is frozen: gpunet freezes both or neither")
    return trainable


def _parameters(linear: Module) -> tuple[Any, Any]:
    """``W (n[l], n[l−1])`` and ``b (n[l], 1)``; a Linear without bias has b = 0."""
    W = _host(linear.weight)
    b = np.zeros(len(W), W.dtype) if linear.bias is None else _host(linear.bias)
    return W, b[:, None]


def _host(tensor: Any) -> Any:
    """A copy on the host."""
    return tensor.detach().cpu().numpy().copy()
