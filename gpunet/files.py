"""Networks as safetensors files: no pickle, written whole or not at all, refused when damaged."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.errors import FileRefused
from gpunet.layers import Dense, Dropout
from gpunet.standardizer import Standardizer

if TYPE_CHECKING:
    from gpunet.network import Network

FORMAT = "gpunet-1"


def save(network: Network, path: str | Path) -> None:
    """Write a network; see :meth:`gpunet.Network.save`."""
    from safetensors.numpy import save as encode

    weights, home = network._ready()
    tensors: dict[str, Any] = {}
    for l, pair in enumerate(weights.parameters, start=1):
        for name, array in zip("Wb", pair, strict=True):
            tensors[f"{name}{l}"] = np.ascontiguousarray(home.backend.to_host(array))
    standardizer = network.standardizer
    if standardizer is not None and standardizer.mean is not None:
        tensors["mean"], tensors["deviation"] = standardizer.mean, standardizer.deviation
    about = json.dumps(_describe(network), sort_keys=True)
    metadata = {"format": FORMAT, "network": about, "sha256": _digest(about, tensors)}
    write_atomically(Path(path), encode(tensors, metadata))


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
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    from gpunet.network import Network

    path = Path(path)
    data = path.read_bytes()
    try:
        metadata = _metadata(data)
        tensors = decode(data)
    except (SafetensorError, ValueError, KeyError) as error:
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
    about = json.loads(metadata["network"])
    network = Network(
        [_layer(one) for one in about["layers"]],
        about["loss"],
        about["inputs"],
        about["seed"],
        backend,
        about["dtype"],
        Standardizer(about["standardizer"]) if about["standardizer"] else None,
    )
    if network.standardizer is not None and "mean" in tensors:
        network.standardizer.mean = tensors["mean"]
        network.standardizer.deviation = tensors["deviation"]
    count = len(network.layers)
    network.set_parameters([(tensors[f"W{l}"], tensors[f"b{l}"]) for l in range(1, count + 1)])
    network.epochs_trained = about["epochs_trained"]
    network.notes = about["notes"]
    return network


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path`: after a crash at any moment there is the old file or the new one."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
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
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    return dict(header.get("__metadata__", {}))


def _digest(about: str, tensors: dict[str, Any]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _describe(network: Network) -> dict[str, Any]:
    layers: list[dict[str, Any]] = []
    for layer, rate in zip(network.layers, network._dropouts, strict=True):
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
