"""A text and named arrays as the bytes of a safetensors file, with a digest by which damage is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpunet.errors import FileRefused

FORMAT = "gpunet-2"
READABLE = ("gpunet-1", FORMAT)  # files of version 1 know nothing of tables


def to_bytes(text: str, tensors: dict[str, Any]) -> bytes:
    """The bytes of a file that holds a text and NumPy arrays by name."""
    from safetensors.numpy import save as encode

    return encode(tensors, {"format": FORMAT, "network": text, "sha256": sha256(text, tensors)})


def from_bytes(data: bytes, path: Path) -> tuple[str, dict[str, Any]]:
    """Text and arrays of a file, once format and digest are right; messages name the path.

    Raises
    ------
    FileRefused
        If it is no such file, or is damaged.
    """
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
    text = metadata.get("network", "")
    if sha256(text, tensors) != metadata.get("sha256"):
        raise FileRefused(f"{path} is damaged: its SHA-256 does not match what was saved. Use another copy.")
    return text, tensors


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


def sha256(text: str, tensors: dict[str, Any]) -> str:
    """The digest of a text, and of the names, shapes, types and values of arrays."""
    import hashlib  # here, because `import gpunet` should cost little

    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
