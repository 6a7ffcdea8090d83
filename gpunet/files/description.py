"""A network as a text, which is JSON, and named arrays; and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.core.activations import ACTIVATIONS, Activation
from gpunet.core.checks import OWN_PREFIX
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES, Loss
from gpunet.core.poisson import EXP, POISSON
from gpunet.errors import FileRefused
from gpunet.files.packing import pack, unpack
from gpunet.files.saved_network import SavedNetwork
from gpunet.inputs.standardizer import Standardizer

if TYPE_CHECKING:  # imported where a file has them
    from gpunet.tables import TableEncoder
    from gpunet.tables.target import Target

# Of gpunet's functions those that no name stands for in a network; in a file this name does.
UNNAMED: dict[str, Activation | Loss] = {f"{OWN_PREFIX}{one.name}": one for one in (EXP, POISSON)}
# Before the names of the encoder's arrays, and those of training.
_ENCODER = "encoder "
_TRAINING = "training"


def description_of(saved: SavedNetwork) -> tuple[str, dict[str, Any]]:
    """A network as a text and NumPy arrays by name.

    Raises
    ------
    TypeError
        If its notes are not text, numbers, and lists and dicts of them.
    """
    tensors: dict[str, Any] = {}
    for l, pair in enumerate(saved.parameters, start=1):
        for name, array in zip("Wb", pair, strict=True):
            tensors[f"{name}{l}"] = np.ascontiguousarray(array)
    standardizer = saved.standardizer
    if standardizer is not None and standardizer.fitted:
        tensors["mean"], tensors["deviation"] = standardizer.mean, standardizer.deviation
    about = _describe(saved)
    if saved.encoder is not None:
        about["encoder"], arrays = saved.encoder.to_state()
        tensors |= {_ENCODER + name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if saved.training is not None:
        about["training"], arrays = pack(saved.training)
        tensors |= {_TRAINING + name: array for name, array in arrays.items()}
    try:
        description = json.dumps(about, sort_keys=True)
    except (TypeError, ValueError) as error:  # all else in it is gpunet's own
        raise TypeError(
            f"can't save the network's notes: expected text, numbers, and lists and dicts of them ({error})"
        ) from None
    return description, tensors


def _describe(saved: SavedNetwork) -> dict[str, Any]:
    """All but the tensors, as JSON holds it."""
    return {
        "layers": [_describe_layer(layer) for layer in saved.layers],
        "loss": _name(saved.loss),
        "inputs": saved.inputs,
        "seed": saved.seed,
        "dtype": saved.dtype,
        "standardizer": saved.standardizer.per if saved.standardizer else None,
        **({} if saved.standardizer is None else {"center": saved.standardizer.center}),
        "epochs_trained": saved.epochs_trained,
        "notes": saved.notes,
        "target": None if saved.target is None else saved.target.to_state(),
        "columns": None if saved.columns is None else list(saved.columns),
    }


def _name(function: str | Activation | Loss) -> str:
    """What a file calls an activation or a loss."""
    return next((name for name, one in UNNAMED.items() if one == function), str(function))


def _describe_layer(layer: Dense | Dropout) -> dict[str, Any]:
    if isinstance(layer, Dropout):
        return {"dropout": layer.rate}
    # A callable initializer can't be written down; the weights are, so it isn't needed.
    initializer = layer.initializer if isinstance(layer.initializer, str) else None
    described = {"units": layer.units, "activation": _name(layer.activation), "initializer": initializer}
    # Only where it is so: files of networks without frozen layers are those of earlier versions.
    return described if layer.trainable else {**described, "trainable": False}


def network_of(
    text: str, tensors: dict[str, Any], path: Path, own: Sequence[Activation | Loss]
) -> SavedNetwork:
    """The network that a text and arrays describe, with activations and losses of the user's `own`.

    Raises
    ------
    FileRefused
        If it uses an activation or a loss that is not known; the message names the path.
    ValueError, TypeError, LookupError and others
        If the text describes no network: see :func:`gpunet.files.network_file.refuse_on_error`.
    """
    description = json.loads(text)
    owned: dict[tuple[type[Any], Any], Any] = {(type(one), one.name): one for one in own}

    def named(kind: type[Any], what: str, name: Any, known: Any) -> Any:
        if name in known:
            return name
        if isinstance(UNNAMED.get(name), kind):
            return UNNAMED[name]
        if (kind, name) in owned:
            return owned[kind, name]
        raise FileRefused(
            f"{path} uses the {what} {name!r}, which is not one of gpunet's: define it, and pass it with "
            f"gpunet.load(path, own=[gpunet.{kind.__name__}({name!r}, …)])"
        )

    def layer(one: Any) -> Dense | Dropout:
        if "dropout" in one:
            return Dropout(one["dropout"])
        activation = named(Activation, "activation", one["activation"], ACTIVATIONS)
        return Dense(one["units"], activation, one["initializer"], one.get("trainable", True))

    layers = [layer(one) for one in description["layers"]]
    count = sum(isinstance(layer, Dense) for layer in layers)
    return SavedNetwork(
        layers,
        named(Loss, "loss", description["loss"], LOSSES),
        _whole("inputs", description["inputs"], 1),
        _whole("seed", description["seed"], 0),
        description["dtype"],
        _standardizer(description, tensors),
        [(tensors[f"W{l}"], tensors[f"b{l}"]) for l in range(1, count + 1)],
        _whole("epochs_trained", description["epochs_trained"], 0),
        _notes(description["notes"]),
        _encoder(tensors, description.get("encoder")),
        _target(description.get("target")),
        _columns(description.get("columns")),
        unpack(description.get("training"), _with_prefix(tensors, _TRAINING)),
    )


def _whole(name: str, value: Any, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    return value


def _notes(notes: Any) -> dict[str, Any]:
    if not isinstance(notes, dict):
        raise TypeError(f"notes must be a dict, got {notes!r}")
    return notes


def _standardizer(description: Any, tensors: dict[str, Any]) -> Standardizer | None:
    """The standardizer, with mean and deviation if the network has been trained with it."""
    per = description["standardizer"]
    if per is None:
        return None
    standardizer, shape = Standardizer(per, description.get("center", True)), (description["inputs"],)
    if description["epochs_trained"] or "mean" in tensors or "deviation" in tensors:
        mean, deviation = tensors["mean"], tensors["deviation"]
        if mean.shape != shape or deviation.shape != shape:
            raise ValueError(
                f"mean and deviation must have shape {shape}, got {mean.shape} and {deviation.shape}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation > 0).all()):
            raise ValueError("mean and deviation must be finite, and the deviation above 0")
        standardizer.mean, standardizer.deviation = mean, deviation
    return standardizer


def _encoder(tensors: dict[str, Any], state: Any) -> TableEncoder | None:
    if state is None:
        return None
    from gpunet.tables import TableEncoder

    return TableEncoder.from_state(state, _with_prefix(tensors, _ENCODER))


def _with_prefix(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _target(state: Any) -> Target | None:
    if state is None:
        return None
    from gpunet.tables.target import Target

    return Target.from_state(state)


def _columns(names: Any) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
