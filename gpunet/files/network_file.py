"""Networks as safetensors files: no pickle, written whole or not at all, refused when damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.devices.backend import get_backend
from gpunet.errors import FileRefused
from gpunet.core.layers import Dense, Dropout
from gpunet.inputs.standardizer import Standardizer

if TYPE_CHECKING:
    from gpunet.network import Network

FORMAT = "gpunet-1"


def save(network: Network, path: str | Path) -> None:
    """Write a network; see :meth:`gpunet.Network.save`."""
    from safetensors.numpy import save as encode

    path = _real_path(path)
    tensors: dict[str, Any] = {}
    for l, pair in enumerate(network.parameters, start=1):
        for name, array in zip("Wb", pair, strict=True):
            tensors[f"{name}{l}"] = np.ascontiguousarray(network.home.backend.to_host(array))
    standardizer = network.standardizer
    if standardizer is not None and standardizer.mean is not None:
        tensors["mean"], tensors["deviation"] = standardizer.mean, standardizer.deviation
    about = json.dumps(_describe(network), sort_keys=True)
    metadata = {"format": FORMAT, "network": about, "sha256": _digest(about, tensors)}
    write_atomically(path, encode(tensors, metadata))


def load(path: str | Path, backend: str = "auto") -> Network:
    """Read a network that :meth:`gpunet.Network.save` wrote, onto any backend.

    Parameters
    ----------
    path : path
    backend : str
        As for :class:`gpunet.Network`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileRefused
        If it is not such a file, or is damaged.
    ValueError, BackendUnavailable
        If there is no such backend, or it can't be used here.
    """
    get_backend(backend)  # what is wrong with that is not the file's fault
    path = Path(path)
    if path.is_dir():
        raise FileRefused(f"{path} is a folder, not a file saved by Network.save")
    tensors, about = _read(path)
    try:
        return _build(tensors, about, backend)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileRefused(
            f"{path} does not describe a network that this version of gpunet knows "
            f"({type(error).__name__}: {error})"
        ) from None


def _read(path: Path) -> tuple[dict[str, Any], Any]:
    """Tensors and description, once format and digest are right."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    data = path.read_bytes()
    try:
        metadata = _metadata(data)
        if metadata.get("format") == FORMAT:
            tensors = decode(data)
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileRefused(
            f"{path} is not a safetensors file, or is cut short or damaged ({error}). "
            "gpunet.load reads what Network.save wrote."
        ) from None
    if metadata.get("format") != FORMAT:
        raise FileRefused(
            f"{path} is a safetensors file, but not one of gpunet's: its metadata says format "
            f"{metadata.get('format')!r}, expected {FORMAT!r}"
        )
    if _digest(metadata.get("network", ""), tensors) != metadata.get("sha256"):
        raise FileRefused(f"{path} is damaged: its SHA-256 does not match what was saved. Use another copy.")
    return tensors, json.loads(metadata["network"])


def _build(tensors: dict[str, Any], about: Any, backend: str) -> Network:
    """The network that a file describes."""
    from gpunet.network import Network

    standardizer = Standardizer(about["standardizer"]) if about["standardizer"] else None
    if standardizer is not None and "mean" in tensors:
        standardizer.mean, standardizer.deviation = tensors["mean"], tensors["deviation"]
    network = Network(
        [_layer(one) for one in about["layers"]],
        about["loss"],
        about["inputs"],
        about["seed"],
        backend,
        about["dtype"],
        standardizer,
    )
    count = len(network.layers)
    network.set_parameters([(tensors[f"W{l}"], tensors[f"b{l}"]) for l in range(1, count + 1)])
    network.epochs_trained = about["epochs_trained"]
    network.notes = about["notes"]
    return network


def _real_path(path: str | Path) -> Path:
    """Where a file will lie, through links; its folder must be there."""
    path = Path(os.path.realpath(path))
    require_folder(path)
    return path


def require_folder(path: Path) -> None:
    """Raise an error unless a file can be put at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"can't save to {path}: it is a folder; add a file name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"can't save to {path}: there is no folder {path.parent}; make it first")


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path`: after a crash at any moment there is the old file or the new one."""
    import tempfile

    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the rename itself must reach the disk, where that can be asked for
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
        raise ValueError("its header is no table")
    return metadata


def _digest(about: str, tensors: dict[str, Any]) -> str:
    import hashlib  # here, as below, because `import gpunet` should cost little

    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _describe(network: Network) -> dict[str, Any]:
    layers: list[dict[str, Any]] = []
    for layer, rate in zip(network.layers, network.dropouts, strict=True):
        if rate:
            layers.append({"dropout": rate})
        # A start that is a function of the user's can't be written down; the weights are, so it isn't needed.
        start = layer.initializer if isinstance(layer.initializer, str) else None
        layers.append({"units": layer.units, "activation": layer.activation, "initializer": start})
    standardizer = network.standardizer
    return {
        "layers": layers,
        "loss": network.loss,
        "inputs": network.inputs,
        "seed": network.seed,
        "dtype": network.dtype,
        "standardizer": standardizer.per if standardizer else None,
        "epochs_trained": network.epochs_trained,
        "notes": network.notes,
    }


def _layer(about: dict[str, Any]) -> Dense | Dropout:
    if "dropout" in about:
        return Dropout(about["dropout"])
    return Dense(about["units"], about["activation"], about["initializer"])
