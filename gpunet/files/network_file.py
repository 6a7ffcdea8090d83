"""Networks as safetensors files: no pickle, written whole or not at all, refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gpunet.core.activations import ACTIVATIONS, Activation
from gpunet.core.checks import OWN_PREFIX
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES, Loss, LossLike
from gpunet.core.poisson import EXP, POISSON
from gpunet.errors import FileRefused, FunctionsNotSaved, warn
from gpunet.files.atomic import real_path, write_atomically
from gpunet.files.packing import pack, unpack
from gpunet.inputs.standardizer import Standardizer
from gpunet.paths import file_path

if TYPE_CHECKING:  # imported where a file has them
    from gpunet.tables import TableEncoder
    from gpunet.tables.target import Target

FORMAT = "gpunet-2"
READABLE = ("gpunet-1", FORMAT)  # files of version 1 know nothing of tables
# Of gpunet's functions those that no name stands for in a network; in a file this name does.
UNNAMED: dict[str, Activation | Loss] = {f"{OWN_PREFIX}{one.name}": one for one in (EXP, POISSON)}
# What building a network of a wrong description may raise.
BUILDING = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)
# Before the names of the encoder's arrays, and those of training.
_ENCODER = "encoder "
_TRAINING = "training"


class SavedNetwork(NamedTuple):
    """What a file holds of a network.

    `training` is what training needs to go on, see :mod:`gpunet.training.saved`; None if it is not kept.
    """

    layers: list[Dense | Dropout]
    loss: LossLike
    inputs: int
    seed: int | None  # None in no file: a network from elsewhere draws its own
    dtype: str
    standardizer: Standardizer | None
    parameters: list[tuple[Any, Any]]  # NumPy arrays
    epochs_trained: int
    notes: dict[str, Any]
    encoder: TableEncoder | None = None
    target: Target | None = None
    columns: tuple[str, ...] | None = None
    training: Any = None


def write_network(path: str | Path, saved: SavedNetwork) -> None:
    """Write a network; see :meth:`gpunet.Network.save`."""
    _warn_of_own_functions(saved)
    write_atomically(real_path(file_path("path", path)), encoded(saved))


def encoded(saved: SavedNetwork) -> bytes:
    """The bytes of a network's file."""
    from safetensors.numpy import save as encode

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
    metadata = {"format": FORMAT, "network": description, "sha256": _digest(description, tensors)}
    return encode(tensors, metadata)


def _warn_of_own_functions(saved: SavedNetwork) -> None:
    """Say that a file holds no code; refuse names that would not tell one activation from another."""
    own: dict[str, Activation | Loss] = {}
    used = [layer.activation for layer in saved.layers if isinstance(layer, Dense)]
    for one in (saved.loss, *used):
        if isinstance(one, str) or one in UNNAMED.values():
            continue
        if own.setdefault(one.name, one) != one:
            raise ValueError(f"two activations or losses are called {one.name!r}: give each its own name")
    if own:
        names = ", ".join(map(repr, own))
        warn(
            f"the file holds no code, so it names {names} only: to load it, define them again and call "
            f"gpunet.load(path, own=[…]) with them",
            FunctionsNotSaved,
        )


def read_network(path: str | Path, own: Sequence[Activation | Loss] = ()) -> SavedNetwork:
    """Read what :func:`write_network` wrote, with activations and losses of the user's `own`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileRefused
        If it is not such a file, or is damaged.
    TypeError
        If `own` is no list of activations and losses.
    """
    path = file_path("path", path)
    _require_own(own)
    if path.is_dir():
        raise FileRefused(f"{path} is a folder, not a file saved by Network.save")
    tensors, description = _read(path)
    with refuse_on_error(path):
        return _saved_network(tensors, description, path, own)


def _require_own(own: Any) -> None:
    """Raise a TypeError for what is no list of activations and losses."""
    listed = own if isinstance(own, Sequence) else [None]
    if not all(isinstance(one, Activation | Loss) for one in listed):
        raise TypeError(f"own must be a list of gpunet.Activation and gpunet.Loss objects, got {own!r}")


def decoded(data: bytes, path: Path, own: Sequence[Activation | Loss] = ()) -> SavedNetwork:
    """What :func:`encoded` made bytes of; messages name the path.

    Raises
    ------
    FileRefused
        If they are no such bytes, or are damaged.
    """
    tensors, description = _parsed(data, path)
    with refuse_on_error(path):
        return _saved_network(tensors, description, path, own)


@contextmanager
def refuse_on_error(path: str | Path) -> Iterator[None]:
    """Errors of building a network from a file's description become FileRefused."""
    try:
        yield
    except FileRefused:
        raise
    except BUILDING as error:
        raise FileRefused(
            f"{path} does not describe a network that this version of gpunet knows "
            f"({type(error).__name__}: {error})"
        ) from None


def _read(path: Path) -> tuple[dict[str, Any], Any]:
    return _parsed(path.read_bytes(), path)


def _parsed(data: bytes, path: Path) -> tuple[dict[str, Any], Any]:
    """Tensors and description, once format and digest are right."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    try:
        metadata = _metadata(data)
        if metadata.get("format") in READABLE:
            tensors = decode(data)
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileRefused(
            f"{path} is not a safetensors file, or is cut short or damaged ({error}). "
            "gpunet.load reads what Network.save wrote."
        ) from None
    if metadata.get("format") not in READABLE:
        raise FileRefused(
            f"{path} is a safetensors file, but not one of gpunet's: its metadata says format "
            f"{metadata.get('format')!r}, expected {' or '.join(map(repr, READABLE))}"
        )
    if _digest(metadata.get("network", ""), tensors) != metadata.get("sha256"):
        raise FileRefused(f"{path} is damaged: its SHA-256 does not match what was saved. Use another copy.")
    with refuse_on_error(path):
        return tensors, json.loads(metadata["network"])


def _saved_network(
    tensors: dict[str, Any], description: Any, path: Path, own: Sequence[Activation | Loss]
) -> SavedNetwork:
    """The network that a file describes."""
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


def _metadata(data: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file: eight bytes of length, then a JSON header."""
    if len(data) < 8:
        raise ValueError("fewer than 8 bytes")
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise ValueError("its header is longer than the file")
    header = json.loads(data[8 : 8 + length])
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header is not a JSON object")
    return metadata


def _digest(description: str, tensors: dict[str, Any]) -> str:
    import hashlib  # here, as below, because `import gpunet` should cost little

    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


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
