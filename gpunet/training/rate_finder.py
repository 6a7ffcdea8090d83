"""Which learning rate to take: the loss while the rate rises from update to update (Smith 2017, section 3.3)."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet import plots
from gpunet.core.checks import positive_int
from gpunet.core.default_optimizer import chosen_optimizer
from gpunet.core.optimizers import Optimizer
from gpunet.core.schedules import Ramp
from gpunet.errors import Diverged
from gpunet.training.callbacks import TrainedNetwork
from gpunet.training.history import History

DIVERGED = 4.0  # times the lowest smoothed loss so far
WINDOW = 0.05  # of the updates, to each side, over which losses are averaged
SHARE = 0.25  # of the rate with the lowest loss
FEWEST = 20  # updates
ITS_OWN = ("epochs", "callbacks", "checkpoint")  # arguments of fit that a search has of its own, or none of


@dataclass(frozen=True, eq=False)
class RateSearch:
    """The losses of a run whose learning rate rises, up to where it diverges.

    Attributes
    ----------
    rates, losses : array, ``(n,)``
        Of each update: its learning rate, and its batch's loss before it.
    smoothed : array, ``(n,)``
        Losses averaged over the updates near each one.
    suggestion : float or None
        A quarter of the rate at which the smoothed loss is lowest; None if it falls nowhere.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggestion: float | None

    def plot(self, path: str | Path | None = None) -> Any:
        """Loss over learning rate as a matplotlib figure; see :func:`gpunet.plots.learning_rates`."""
        return plots.learning_rates(self, path)


def rate_search(rates: NDArray[np.float64], losses: NDArray[np.float64], updates: int) -> RateSearch:
    """The search of the first losses out of `updates`, at rates that rise by the same factor from each to the next.

    It ends before the first loss that is not finite, and where the smoothed loss is above 4 times its lowest so far and
    above the first one.
    """
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else int(np.argmin(finite))
    smoothed = _smoothed(losses[:end], max(round(WINDOW * updates), 1))
    if end:
        beyond = smoothed > np.maximum(DIVERGED * np.minimum.accumulate(smoothed), smoothed[0])
        end = int(np.argmax(beyond)) if beyond.any() else end
    rates, losses, smoothed = rates[:end], losses[:end], smoothed[:end]
    return RateSearch(rates, losses, smoothed, _suggestion(rates, smoothed))


def _smoothed(losses: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Means over `window` losses to each side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    first = np.maximum(np.arange(len(losses)) - window, 0)
    last = np.minimum(np.arange(len(losses)) + window + 1, len(losses))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def _suggestion(rates: NDArray[np.float64], smoothed: NDArray[np.float64]) -> float | None:
    """A quarter of the rate with the lowest loss, which is near that where the loss begins to rise."""
    lowest = int(np.argmin(smoothed)) if len(smoothed) else 0
    return float(rates[lowest]) * SHARE if lowest else None


class _Recorder:
    """The callback that collects losses, and ends the run after so many updates or once it has diverged."""

    def __init__(self, updates: int) -> None:
        self.updates = updates
        self.rates: list[Any] = []
        self.losses: list[Any] = []

    def __call__(self, network: TrainedNetwork, history: History) -> bool:
        """True when the run should end."""
        self.rates.append(history.step_learning_rate)
        self.losses.append(history.step_loss)
        count = sum(map(len, self.rates))
        return count >= self.updates or len(self.search().rates) < count

    def finish(self, network: TrainedNetwork, history: History) -> None:
        """Collect those of an epoch that ended in a loss that was not finite."""
        if history.step_loss is not (self.losses[-1] if self.losses else None):
            self.rates.append(history.step_learning_rate)
            self.losses.append(history.step_loss)

    def search(self) -> RateSearch:
        """What they say so far; without the updates at rate 0, after the ramp."""
        rates, losses = (
            np.concatenate([np.zeros(0), *parts])[: self.updates] for parts in (self.rates, self.losses)
        )
        return rate_search(rates, losses, self.updates)


def find_learning_rate(
    network: Any,
    X: Any,
    y: Any = None,
    *,
    optimizer: Optimizer | str | None = None,
    batch_size: int | str | None = "auto",
    lowest: float = 1e-6,
    highest: float = 10.0,
    updates: int = 300,
    **settings: Any,
) -> RateSearch:
    """Try learning rates from `lowest` to `highest`, a higher one in each update; the network stays as it is.

    A copy of the network is trained, from the present weights, and thrown away. The suggestion is a quarter of the
    rate at which the smoothed loss is lowest. It is for a constant rate, or the highest of a schedule.

    Parameters
    ----------
    network : Network
    X, y : array, list or Table
        As for :meth:`Network.fit`.
    optimizer : Optimizer, str or None
        As for ``fit``; its own learning rate does not count. None takes Adam.
    batch_size : int, None or "auto"
        As for ``fit``: the best rate depends on it.
    lowest, highest : float
        The learning rates of the first and of the last update.
    updates : int
        At least 20. Training runs to the end of an epoch; after these updates the learning rate is 0, so nothing
        changes any more.
    **settings
        Others of ``fit``, such as ``sample_weight``, ``class_weight`` or ``precision``; not ``epochs``, ``callbacks``
        or ``checkpoint``.

    Returns
    -------
    RateSearch
        With ``rates``, ``losses``, ``suggestion`` and ``plot()``. The suggestion is None if the loss falls at no rate.

    Raises
    ------
    ValueError, TypeError
        For rates out of order, and as ``fit``.

    Examples
    --------
    >>> import gpunet as gn
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = gn.Network([gn.Dense(8, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    >>> search = gn.find_learning_rate(net, X, y, batch_size=None)
    >>> history = net.fit(X, y, optimizer=gn.Adam(search.suggestion), batch_size=None)
    """
    if positive_int("updates", updates) < FEWEST:
        raise ValueError(f"updates must be at least {FEWEST}, got {updates}")
    if isinstance(network, type) or not hasattr(network, "fit"):
        raise TypeError(f"network must be a Network, got {type(network).__name__}")
    for name in ITS_OWN:
        if name in settings:
            raise TypeError(
                f"find_learning_rate takes no {name}: it trains a copy that is thrown away, and updates={updates} says "
                "how long"
            )
    ramp = Ramp(lowest, highest, updates)
    trial = copy.copy(network)  # fit replaces what it changes: nothing is changed in place
    recorder = _Recorder(updates)
    chosen = chosen_optimizer(optimizer, ()).with_learning_rate(ramp)
    with contextlib.suppress(Diverged):
        trial.fit(
            *(X, y),
            optimizer=chosen,
            epochs=updates,
            batch_size=batch_size,
            callbacks=recorder,
            **settings,
        )
    return recorder.search()
