"""Finding backends: the built-in ones, and those that other packages add.

Backends are found through the entry-point group ``gpunet.backends``; a package adds one by naming a module-level
:class:`Backend` there.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

from gpunet.core.checks import known_name
from gpunet.core.other_names import Meant
from gpunet.devices.backend import Backend, backend_at
from gpunet.errors import BackendUnavailable

# For a checkout that is not installed. No other package can take these names.
BUILT_IN = {
    "numpy": "gpunet_numpy:backend",
    "cupy": "gpunet_cupy:backend",
    "torch": "gpunet_torch:backend",
    "jax": "gpunet_jax:backend",
}

_NVIDIA = "it computes on NVIDIA GPUs, as 'torch:cuda' does, and JAX with CUDA"
ELSEWHERE = {
    "cpu": Meant("numpy", "it computes on the CPU, as 'torch:cpu' does"),
    "np": Meant("numpy"),
    "gpu": Meant("cupy", _NVIDIA),
    "cuda": Meant("cupy", _NVIDIA),
    "cp": Meant("cupy"),
    "tpu": Meant("jax", "its devices are TPUs where there are any"),
}


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
def entry_points_by_name() -> dict[str, str]:
    """Backend name to ``module:attribute``. A built-in name always means the built-in backend."""
    from importlib.metadata import entry_points  # takes longer to import than all of this package

    found = {point.name: point.value for point in entry_points(group="gpunet.backends")}
    return {**BUILT_IN, **{name: found[name] for name in sorted(found.keys() - BUILT_IN.keys())}}


@functools.cache
def load_backend(name: str) -> Backend:
    """The backend called `name`, whether it can be used here or not."""
    entry_point = entry_points_by_name()[name]
    backend = backend_at(entry_point)
    if not isinstance(backend, Backend):
        raise BackendUnavailable(
            f"the entry point of backend {name!r} ({entry_point}) must name an instance of gpunet.Backend, "
            f"it is a {type(backend).__name__}"
        )
    if backend.name != name:
        raise BackendUnavailable(
            f"the entry point of backend {name!r} ({entry_point}) names a backend whose name is {backend.name!r}: "
            "both must be the same"
        )
    return backend


def unavailable_reason(name: str, *, what_to_install: bool = True) -> str | None:
    """Why the backend can't be used here, and what to install; None if it can."""
    try:
        backend = load_backend(name)
        backend.owns(None)  # it is asked about every array, where an error means no
        reason = backend.unavailable_reason()
        if reason is None or not what_to_install:
            return reason
        return f"{reason} To install it: {backend.install}"
    except BackendUnavailable as error:
        return str(error)
    except Exception as error:  # somebody else's broken package must not hide the others
        return f"{entry_points_by_name()[name]} is broken: {type(error).__name__}: {error}"


def backend_from_env() -> str | None:
    """The backend that ``GPUNET_BACKEND`` puts in the place of "auto", if any."""
    name = os.environ.get("GPUNET_BACKEND") or "auto"
    return None if name == "auto" else name


def get_backend(name: str = "auto") -> Backend:
    """The backend called `name`.

    Parameters
    ----------
    name : str
        ``"auto"`` takes ``GPUNET_BACKEND`` if set, else CuPy if a CUDA device answers, else NumPy. A device may
        follow the name, as in ``"cupy:1"``; it is not checked here.

    Returns
    -------
    Backend

    Raises
    ------
    ValueError
        If no such backend is known.
    TypeError
        If the name is no text.
    BackendUnavailable
        If it can't be used here, with the command that installs it.
    """
    if not isinstance(name, str):
        raise TypeError(f"backend must be a name such as 'numpy', got {name!r}")
    source = "backend"
    if name == "auto":
        name, source = backend_from_env() or "auto", "GPUNET_BACKEND"
    if name == "auto":
        return load_backend("numpy" if unavailable_reason("cupy", what_to_install=False) else "cupy")
    auto = [] if ":" in name else ["auto"]
    name = known_name(source, name.partition(":")[0], [*entry_points_by_name(), *auto], ELSEWHERE)
    reason = unavailable_reason(name)
    if reason is not None:
        raise BackendUnavailable(f"{source} {name!r} can't be used here: {reason}")
    return load_backend(name)


def list_backends() -> list[BackendInfo]:
    """Every known backend.

    Returns
    -------
    list of BackendInfo
        Whether each is usable, its devices, or why it is not and what to install.
    """
    rows = []
    for name in entry_points_by_name():
        reason = unavailable_reason(name)
        devices: tuple[str, ...] = ()
        if reason is None:
            try:
                devices = tuple(devices_of(load_backend(name)))
            except Exception as error:
                reason = f"its devices can't be listed: {type(error).__name__}: {error}"
        rows.append(BackendInfo(name, reason is None, devices, reason or ""))
    return rows


def devices_of(backend: Backend) -> list[str]:
    """The devices that a backend names.

    Raises
    ------
    BackendUnavailable
        If it names none.
    """
    devices = backend.devices()
    if isinstance(devices, str) or not devices:
        raise BackendUnavailable(
            f"backend {backend.name!r} must give a list of at least one device, such as ['cpu'], got {devices!r}"
        )
    return devices


def find_device(backend: Backend, name: str) -> str:
    """The device in a backend name such as ``"cupy:1"`` or ``"torch:cuda:0"``; the default one if there is none.

    Raises
    ------
    ValueError
        If there is no such device.
    BackendUnavailable
        If the backend names no devices.
    """
    devices = devices_of(backend)
    wanted = name.partition(":")[2]
    if not wanted:
        return devices[0]
    for device in devices:
        if wanted == device or device.endswith(f":{wanted}") or device.partition(":")[0] == wanted:
            return device
    raise ValueError(f"backend {backend.name!r} has no device {wanted!r} here; it has {', '.join(devices)}")


def backend_of(array: Any) -> Backend | None:
    """The usable backend whose library `array` is of; None for lists and anything else."""
    known = _backend_of_type.get(type(array))
    if known is not None:
        return known
    for name in entry_points_by_name():
        try:
            backend = load_backend(name)
            if backend.owns(array):
                _backend_of_type[type(array)] = backend
                return backend
        except Exception:  # broken: list_backends says so
            continue
    return None


# A type never changes its library; asking each backend again would take most of a short prediction's time.
_backend_of_type: dict[type, Backend] = {}
