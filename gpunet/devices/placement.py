"""Placement: the library and device of a network or of arrays, given by name or taken from the data."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from gpunet.devices.backend import Backend
from gpunet.devices.registry import backend_from_env, backend_of, find_device, get_backend, load_backend
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.devices.transfer import Transfer

Array = Any


class Placement(NamedTuple):
    """A library and one of its devices."""

    backend: Backend
    device: str

    @property
    def xp(self) -> Any:
        """The library's Array API namespace."""
        return self.backend.namespace()

    def context(self) -> AbstractContextManager[Any]:
        """A context in which the device is the library's current one."""
        return self.backend.on(self.device)

    def has_float64(self) -> bool:
        """Whether the device computes in float64."""
        return self.backend.has_float64(self.device)

    def to_device(self, host: Any) -> Array:
        """A NumPy array, on the device."""
        return self.backend.from_host(host, self.device)

    def transfer(self) -> Transfer:
        """Copies of NumPy arrays to the device, which may go on while it computes."""
        return self.backend.transfer(self.device)


def host_placement() -> Placement:
    """NumPy's."""
    return Placement(load_backend("numpy"), "cpu")


def placement_of(arrays: dict[str, Any]) -> Placement | None:
    """The one placement of the given arrays; None if all are lists.

    Raises
    ------
    ValueError
        If they come from different libraries or devices.
    """
    found: dict[str, Placement] = {}
    for name, array in arrays.items():
        backend = backend_of(array)
        if backend is not None:
            found[name] = Placement(backend, backend.device_of(array))
    if len(found) > 1 and len(set(found.values())) > 1:
        listed = ", ".join(f"{name} in {p.backend.name} on {p.device}" for name, p in found.items())
        raise ValueError(
            f"all arrays of one call must be of one library and on one device; got {listed}. Convert them to "
            "one first; gpunet then takes them to the network's backend."
        )
    return next(iter(found.values()), None)


def named_placement(name: str) -> Placement | None:
    """The placement that a backend's name asks for; None for ``"auto"``, which the data decide.

    Raises
    ------
    ValueError, TypeError, BackendUnavailable
        If there is no such backend or device, or it can't be used here.
    """
    backend = get_backend(name)  # raises for an unknown or missing one, for "auto" too
    return None if name == "auto" else Placement(backend, find_device(backend, name))


def choose_placement(
    name: str, current: Placement | None, arrays: dict[str, Any], *, follow: bool
) -> Placement:
    """Where a call with these arrays computes.

    Parameters
    ----------
    name : str
        The network's backend argument.
    current : Placement or None
        Where the network is now.
    arrays : dict of name to array
        Must be of one library and device, whatever is chosen.
    follow : bool
        Whether ``"auto"`` goes where the data are, though the network has a placement.
    """
    came_from = placement_of(arrays)
    if current is not None and not (follow and name == "auto"):
        return current
    from_env = backend_from_env()
    if from_env is not None:
        default = get_backend("auto")
        return Placement(default, find_device(default, from_env))
    if came_from is not None and came_from.backend.name != "numpy":
        return came_from
    if any(map(is_sparse, arrays.values())):
        return host_placement()  # where a batch of them need not become dense
    default = get_backend("auto")
    return Placement(default, default.devices()[0])
