"""Where to compute: a library and one of its devices, asked for by name or taken from the data."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from gpunet.devices.backend import Backend, find_device, forced, get_backend, owner

Array = Any


class Home(NamedTuple):
    """A library and a device: where a network lives, or where an array came from."""

    backend: Backend
    device: str

    @property
    def xp(self) -> Any:
        """The library's Array API namespace."""
        return self.backend.namespace()

    def entered(self) -> AbstractContextManager[Any]:
        """A context in which the library computes on this device."""
        return self.backend.on(self.device)

    def send(self, host: Any) -> Array:
        """A NumPy array, brought here."""
        return self.backend.from_host(host, self.device)


def home_of(arrays: dict[str, Any]) -> Home | None:
    """The one library and device of the given arrays; None if all are lists.

    Raises
    ------
    ValueError
        If they come from different libraries or devices.
    """
    found: dict[str, Home] = {}
    for name, array in arrays.items():
        backend = owner(array)
        if backend is not None:
            found[name] = Home(backend, backend.device_of(array))
    if len(set(found.values())) > 1:
        said = ", ".join(f"{name} in {h.backend.name} on {h.device}" for name, h in found.items())
        raise ValueError(
            f"all arrays of one call must be of one library and on one device; got {said}. Convert them to "
            "one first; gpunet then takes them to the network's backend."
        )
    return next(iter(found.values()), None)


def named_home(asked: str) -> Home | None:
    """The home that a backend's name asks for; None for ``"auto"``, which the data decide.

    Raises
    ------
    ValueError, TypeError, BackendUnavailable
        If there is no such backend or device, or it can't be used here.
    """
    backend = get_backend(asked)  # an unknown or missing one is said here, for "auto" too
    return None if asked == "auto" else Home(backend, find_device(backend, asked))


def choose_home(asked: str, current: Home | None, arrays: dict[str, Any], *, follow: bool) -> Home:
    """Where a call with these arrays computes.

    Parameters
    ----------
    asked : str
        The network's backend argument.
    current : Home or None
        Where the network is now.
    arrays : dict of name to array
        Must be of one library and device, whatever is chosen.
    follow : bool
        Whether ``"auto"`` goes where the data are, though the network has a home.
    """
    came_from = home_of(arrays)
    if current is not None and not (follow and asked == "auto"):
        return current
    default = get_backend("auto")
    name = forced()
    if name is not None:
        return Home(default, find_device(default, name))
    if came_from is not None and came_from.backend.name != "numpy":
        return came_from
    return Home(default, default.devices()[0])
