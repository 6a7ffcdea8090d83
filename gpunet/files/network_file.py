"""Networks as safetensors files: no pickle, written whole or not at all, refused when damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpunet.core.activations import Activation
from gpunet.core.layers import Dense
from gpunet.core.losses import Loss
from gpunet.errors import FileRefused, FunctionsNotSaved, warn
from gpunet.files.atomic import real_path, write_atomically
from gpunet.files.description import UNNAMED, description_of, network_of
from gpunet.files.saved_network import SavedNetwork
from gpunet.files.tensor_file import from_bytes, to_bytes
from gpunet.paths import file_path

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


def write_network(path: str | Path, saved: SavedNetwork) -> None:
    """Write a network; see :meth:`gpunet.Network.save`."""
    _warn_of_own_functions(saved)
    write_atomically(real_path(file_path("path", path)), encoded(saved))


def encoded(saved: SavedNetwork) -> bytes:
    """The bytes of a network's file."""
    return to_bytes(*description_of(saved))


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
    return decoded(path.read_bytes(), path, own)


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
    text, tensors = from_bytes(data, path)
    with refuse_on_error(path):
        return network_of(text, tensors, path, own)


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
