"""What a backend is, and how backends are found.

A backend hides one array library: its namespace, devices, transfers, synchronisation and memory figures,
and, where it can, a faster program for a whole plan. Backends are found through the entry-point group
``gpunet.backends``; a package adds one by naming a module-level :class:`Backend` there.
"""

from __future__ import annotations

import functools
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from gpunet.core.checks import known_name
from gpunet.core.reference import Program
from gpunet.errors import BackendUnavailable
from gpunet.core.plan import Plan

Array = Any
Namespace = Any

# For a checkout that is not installed; also the names that nobody else can take.
BUILT_IN = {
    "numpy": "gpunet_numpy:backend",
    "cupy": "gpunet_cupy:backend",
    "torch": "gpunet_torch:backend",
    "jax": "gpunet_jax:backend",
}


class Backend(ABC):
    """One array library.

    Attributes
    ----------
    name : str
        What people type.
    install : str
        The command that installs the library.
    """

    name: str
    install: str

    @abstractmethod
    def problem(self) -> str | None:
        """Why it can't be used here, in a sentence; None if it can. Never raises."""

    @abstractmethod
    def devices(self) -> list[str]:
        """Devices that answer, the default first, for example ``["cuda:0", "cuda:1"]``."""

    @abstractmethod
    def namespace(self) -> Namespace:
        """The library's Array API namespace."""

    @abstractmethod
    def owns(self, array: Any) -> bool:
        """Whether `array` is of this library. Must not import it."""

    @abstractmethod
    def from_host(self, array: Any, device: str) -> Array:
        """A NumPy array, copied to `device` (shared with the host where that is the same memory)."""

    @abstractmethod
    def to_host(self, array: Array) -> Any:
        """An array of this library as a NumPy array."""

    def device_of(self, array: Array) -> str:
        """The device that holds `array`, named as in :meth:`devices`."""
        return "cpu"

    def move(self, array: Array, device: str) -> Array:
        """`array`, of this library, on `device`."""
        return array

    def on(self, device: str) -> AbstractContextManager[Any]:
        """A context in which the library computes on `device`, for libraries that have a current one."""
        return nullcontext()

    def synchronize(self, device: str) -> None:  # noqa: B027  nothing to wait for, by default
        """Wait until `device` has done what it was asked."""

    def memory(self, device: str) -> dict[str, int]:
        """Bytes in use, by name (``"used"``, ``"pool"``, …); empty where the library doesn't say."""
        return {}

    def out_of_memory(self, error: Exception) -> bool:
        """Whether `error` says that a device or the host has no memory left."""
        return isinstance(error, MemoryError)

    def uncovered(self, plan: Plan) -> str | None:
        """Why there is no faster program for `plan`; None if there is one."""
        return "this backend has no program of its own"

    def compile(self, plan: Plan, device: str) -> Program | None:
        """A program that computes what the reference computes, faster; None if there is none."""
        return None

    def predictor(
        self, activations: Sequence[str], parameters: Any
    ) -> Callable[[Array], Array | None] | None:
        """A faster forward pass of these weights, from rows to rows; None if there is none.

        The weights do not change while it is in use, and it may copy them. It may be given rows that nobody has looked
        at: for rows that are not all finite it returns None.
        """
        return None

    def details(self) -> list[str]:
        """Lines that ``gpunet info`` prints: versions and settings that matter for speed."""
        return []

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # A copied or pickled network finds its backend by name.
        return _load, (self.name,)


@dataclass(frozen=True)
class BackendInfo:
    """One row of :func:`list_backends`.

    Attributes
    ----------
    name : str
    usable : bool
    devices : tuple of str
    reason : str
        Why it isn't usable and what to install; empty if it is.
    """

    name: str
    usable: bool
    devices: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(self.devices) if self.usable else self.reason}"


@functools.cache
def _places() -> dict[str, str]:
    """Backend name → ``module:attribute``. A built-in name always means the built-in backend."""
    from importlib.metadata import entry_points  # takes longer to import than all of this package

    found = {point.name: point.value for point in entry_points(group="gpunet.backends")}
    return {**BUILT_IN, **{name: found[name] for name in sorted(found.keys() - BUILT_IN.keys())}}


@functools.cache
def _load(name: str) -> Backend:
    module, _, attribute = _places()[name].partition(":")
    backend = getattr(importlib.import_module(module), attribute or "backend")
    if not isinstance(backend, Backend):
        raise BackendUnavailable(
            f"the entry point of backend {name!r} ({_places()[name]}) must name an instance of "
            f"gpunet.Backend, it is a {type(backend).__name__}"
        )
    return backend


def _problem(name: str) -> str | None:
    """Why the backend can't be used here, and what to install; None if it can."""
    try:
        backend = _load(name)
        problem = backend.problem()
    except BackendUnavailable as error:
        return str(error)
    except Exception as error:  # a stranger's broken package must not hide the others
        return f"{_places()[name]} is broken: {type(error).__name__}: {error}"
    return None if problem is None else f"{problem} To install it: {backend.install}"


def forced() -> str | None:
    """The backend that ``GPUNET_BACKEND`` puts in the place of "auto", if any."""
    name = os.environ.get("GPUNET_BACKEND") or "auto"
    return None if name == "auto" else name


def get_backend(name: str = "auto") -> Backend:
    """The backend called `name`.

    Parameters
    ----------
    name : str
        ``"auto"`` takes ``GPUNET_BACKEND`` if set, else CuPy if a CUDA device answers, else NumPy. A device may
        follow the name, as in ``"cupy:1"``; it is not looked at here.

    Raises
    ------
    ValueError
        If no such backend is known.
    BackendUnavailable
        If it can't be used here, with the command that installs it.
    """
    if not isinstance(name, str):
        raise TypeError(f"backend must be a name such as 'numpy', got {name!r}")
    said = "backend"
    if name == "auto":
        name, said = forced() or "auto", "GPUNET_BACKEND"
    if name == "auto":
        return _load("numpy" if _problem("cupy") else "cupy")
    only_name = [] if ":" in name else ["auto"]
    name = known_name(said, name.partition(":")[0], [*_places(), *only_name])
    problem = _problem(name)
    if problem is not None:
        raise BackendUnavailable(f"{said} {name!r} can't be used here: {problem}")
    return _load(name)


def list_backends() -> list[BackendInfo]:
    """Every known backend: whether it is usable, its devices, or why not and what to install."""
    rows = []
    for name in _places():
        problem = _problem(name)
        devices: tuple[str, ...] = ()
        if problem is None:
            try:
                devices = tuple(_load(name).devices())
            except Exception as error:
                problem = f"its devices do not answer: {type(error).__name__}: {error}"
        rows.append(BackendInfo(name, problem is None, devices, problem or ""))
    return rows


def find_device(backend: Backend, name: str) -> str:
    """The device that a backend name such as ``"cupy:1"`` or ``"torch:cuda:0"`` asks for.

    Raises
    ------
    ValueError
        If that device doesn't answer.
    """
    devices = backend.devices()
    wanted = name.partition(":")[2]
    if not wanted:
        return devices[0]
    for device in devices:
        if wanted == device or device.endswith(f":{wanted}") or device.partition(":")[0] == wanted:
            return device
    raise ValueError(f"backend {backend.name!r} has no device {wanted!r} here; it has {', '.join(devices)}")


def owner(array: Any) -> Backend | None:
    """The usable backend whose library `array` is of; None for lists and anything else."""
    for name in _places():
        try:
            if _load(name).owns(array):
                return _load(name)
        except Exception:  # broken: said by list_backends
            continue
    return None
