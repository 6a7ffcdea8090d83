"""What a callback is: a function, or an object, that ``fit`` calls between epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gpunet.core.checks import other_parameters
from gpunet.training.history import History


class TrainedNetwork(Protocol):
    """What gpunet's own callbacks use of a network."""

    @property
    def parameters(self) -> Any:
        """Copies of ``[(W, b), …]``."""

    def set_parameters(self, parameters: Any) -> None:
        """Replace them."""

    def save(self, path: Path) -> None:
        """Write the network to a file."""


Callback = Callable[[Any, History], Any]
"""Called as ``callback(network, history)`` after every epoch. True ends the run; any other result is ignored. The next
epoch begins with the weights that it gives the network by ``set_parameters``; the optimizer keeps its slots.

An object with ``start(network)`` or ``finish(network, history)`` has those called at the ends of the run. One whose
attributes change from epoch to epoch has ``state()`` too, which returns them (numbers, text, arrays of the network's
library, and lists and dicts of them), and ``set_state(state)``, which is called after ``start`` when a run goes on from
a checkpoint, and when a finished run is asked for again. Arrays come back as NumPy's.
"""


def checked_callbacks(callbacks: Any) -> list[Callback]:
    """The callbacks as a list; one alone will do.

    Raises
    ------
    TypeError
        For what can't be called after an epoch.
    """
    several = isinstance(callbacks, Iterable) and not isinstance(callbacks, str | Mapping)
    given = list(callbacks) if several else [callbacks]
    for callback in given:
        if isinstance(callback, type):
            raise TypeError(f"a callback must be an object, got a class: write {callback.__name__}()")
        if not callable(callback):
            raise TypeError(f"a callback must be callable as callback(network, history), got {callback!r}")
        parameters = other_parameters(callback, 2)
        if parameters is not None:
            raise TypeError(
                f"a callback is called as callback(network, history); the parameters of {callback!r} are {parameters}"
            )
    return given


@contextmanager
def started(callbacks: Sequence[Callback], network: Any) -> Iterator[list[Callback]]:
    """Start callbacks; an error before the run, which finishes them itself, finishes those that have been started.

    The run empties the list that this gives.
    """
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            if hasattr(callback, "start"):
                callback.start(network)
            begun.append(callback)
        yield begun
    except BaseException:
        finish_callbacks(begun, network, History())
        raise


def call_callbacks(callbacks: Iterable[Callback], network: Any, history: History) -> bool:
    """Call all callbacks after an epoch; whether one of them ends the run: by True, NumPy's too."""
    results = [(callback, callback(network, history)) for callback in callbacks]
    ending = [one for one, result in results if isinstance(result, bool | np.bool_) and bool(result)]
    if ending and not history.stopped:
        history.stopped = f"{getattr(ending[0], '__name__', type(ending[0]).__name__)} returned True"
    return bool(ending)


def finish_callbacks(callbacks: Iterable[Any], network: Any, history: History) -> None:
    """Call ``finish(network, history)`` of the callbacks that have it: the run has ended."""
    for callback in callbacks:
        if hasattr(callback, "finish"):
            callback.finish(network, history)
