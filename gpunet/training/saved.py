"""What training needs to go on, as a nested value of NumPy arrays, numbers and text that a file can hold.

``{"slots": …, "updates": …, "optimizer": …}``, and for a checkpoint ``"run"``: where it stands, its history, and the
state of its callbacks.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.core.optimizers import Optimizer
from gpunet.core.program import TrainState
from gpunet.devices.placement import Placement
from gpunet.training.described import described
from gpunet.training.history import History
from gpunet.training.position import Position


def saved_optimizer(
    state: TrainState, optimizer: Optimizer | dict[str, Any] | None, updates: int, placement: Placement
) -> dict[str, Any]:
    """The optimizer, its slots and its count of updates."""
    about = optimizer if isinstance(optimizer, dict) else described(optimizer)
    return {"optimizer": about, "updates": updates, "slots": on_host(state.slots, placement)}


def with_slots(state: TrainState, slots: Any, placement: Placement, dtype: str) -> TrainState:
    """The state with slots that :func:`saved_optimizer` kept.

    Raises
    ------
    ValueError
        If they are not shaped as the parameters.
    """

    def to_device(parameter: Any, arrays: Any) -> tuple[Any, ...]:
        for array in arrays:
            # Infinity is a sum of squares that was too large: its weight moves no more.
            if array.shape != tuple(parameter.shape) or array.dtype != dtype or np.isnan(array).any():
                raise ValueError(f"a slot of the optimizer is {array.dtype} {array.shape}, or holds NaN")
        return tuple(placement.to_device(array) for array in arrays)

    pairs = zip(state.parameters, slots, strict=True)
    return state._replace(slots=[(to_device(W, of_W), to_device(b, of_b)) for (W, b), (of_W, of_b) in pairs])


def same_optimizer(optimizer: Optimizer, known: Optimizer | dict[str, Any] | None) -> bool:
    """Whether an optimizer is the one that slots belong to, which may be known by its description only."""
    if known is None or isinstance(known, dict):
        return bool(described(optimizer) == known)
    # Two functions of the same code are the same schedule, as they are when one is known from a file.
    same = type(optimizer) is type(known) and described(optimizer) == described(known)
    return same or bool(optimizer == known)


def saved_run(
    position: Position, history: History, callbacks: Sequence[Any], ended: bool, placement: Placement
) -> dict[str, Any]:
    """Where a run stands.

    Parameters
    ----------
    position : Position
    history : History
    callbacks : sequence of callable
        The state is kept of those that have one.
    ended : bool
        Whether no more epochs are to run.
    placement : Placement
    """
    states = [callback.state() if _has_state(callback) else None for callback in callbacks]
    return {
        "position": position._asdict(),
        "history": dataclasses.asdict(history),
        # Copies: they are written while training, and the callbacks, go on.
        "callbacks": copy.deepcopy(on_host(states, placement)),
        "ended": ended,
    }


def _has_state(callback: Any) -> bool:
    """Whether a callback has both methods; an attribute `state` of another kind is its own matter."""
    return all(callable(getattr(callback, name, None)) for name in ("state", "set_state"))


def resumed_history(history: History, saved: dict[str, Any]) -> None:
    """Take the figures of a run that goes on into the history of its new part."""
    now = ("program", "reason", "backend", "device")
    for name, value in saved.items():
        if name not in now:
            setattr(history, name, value)


def restored_callbacks(callbacks: Sequence[Any], saved: dict[str, Any]) -> None:
    """Give callbacks the states that :func:`saved_run` kept of them."""
    for callback, state in zip(callbacks, saved["callbacks"], strict=True):
        if state is not None:
            callback.set_state(state)


def on_host(value: Any, placement: Placement) -> Any:
    """Nested lists, tuples and dicts with the arrays of the placement's library as NumPy arrays."""
    backend = placement.backend
    if isinstance(value, dict):
        return {key: on_host(one, placement) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [on_host(one, placement) for one in value]
    return backend.to_host(value) if backend.owns(value) else value
