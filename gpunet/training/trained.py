"""What training makes of a network: its parameters, the optimizer's slots, and how they came to be."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.core.checks import finite_number
from gpunet.core.layers import Dense
from gpunet.core.optimizers import Optimizer
from gpunet.core.program import TrainState
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.digest import digest
from gpunet.training.saved import same_optimizer, saved_optimizer, with_slots
from gpunet.training.scale import input_size, with_smaller_start
from gpunet.training.state import checked_state, initial_state, moved, with_zero_slots

Array = Any


class Trained:
    """The mutable part of a network. A copy of it is independent: what it holds is replaced, never written into.

    Attributes
    ----------
    state : TrainState or None
        Parameters and slots, on the network's placement; None until they are needed.
    optimizer : Optimizer, dict or None
        Whose slots the state has; a description of it, if they come from a file.
    updates : int
        Since the slots were zero.
    epochs : int
        That the network has been trained for.
    given : bool
        Whether the parameters were set: they are not the initializers' and what training made of them.
    input_size : float or None
        Known once a run had the default optimizer and no standardizer.
    run_id : str or None
        Of the run with checkpoints that the last training was a part of.
    before : Trained or None
        What a run that fails goes back to; None from the end of its first epoch on, so that its memory is free.
    """

    def __init__(self) -> None:
        self.state: TrainState | None = None
        self.optimizer: Optimizer | dict[str, Any] | None = None
        self.updates = 0
        self.epochs = 0
        self.given = False
        self.input_size: float | None = None
        self.run_id: str | None = None
        self.before: Trained | None = None

    def ready(
        self, layers: Sequence[Dense], inputs: int | None, seed: int, placement: Placement, dtype: str
    ) -> TrainState:
        """The state, with initial parameters if there are none yet.

        Raises
        ------
        ValueError
            While the number of inputs is not known.
        """
        if self.state is None:
            if inputs is None:
                raise ValueError(
                    "the network does not know its inputs yet: give Network inputs=…, or fit it first"
                )
            self.state = initial_state(layers, inputs, seed, placement, dtype)
        return self.state

    def set_parameters(
        self, parameters: Any, layers: Sequence[Dense], inputs: int | None, placement: Placement, dtype: str
    ) -> TrainState:
        """Copy parameters of any library; the optimizer starts afresh.

        Raises
        ------
        ValueError, TypeError
            See :func:`gpunet.training.state.checked_state`. Nothing has changed then.
        """
        self.state = checked_state(parameters, layers, inputs, placement, dtype)
        self.given, self.run_id = True, None
        self.forget_optimizer()
        return self.state

    def forget_optimizer(self) -> None:
        """Let the optimizer start afresh in the next run."""
        self.optimizer, self.updates = None, 0

    def move_to(self, placement: Placement, dtype: str) -> None:
        """Move the state to another library or device."""
        if self.state is not None:
            self.state = moved(self.state, placement, dtype)

    def size_of_inputs(self, xp: Any, X: Array | SparseExamples) -> float:
        """The size of the first inputs; measuring it adapts weights to it that are still the initializers'."""
        if self.input_size is None:
            self.input_size = input_size(xp, X)
            if not self.given and self.updates == 0:
                assert self.state is not None
                self.state = with_smaller_start(self.state, self.input_size)
        return self.input_size

    def begin(self, optimizer: Optimizer, placement: Placement) -> TrainState:
        """The state that a run with this optimizer starts from: with zero slots, unless they are this optimizer's."""
        assert self.state is not None
        if not same_optimizer(optimizer, self.optimizer):
            self.state = with_zero_slots(self.state.parameters, optimizer.slots, placement)
            self.updates = 0
        self.optimizer, self.run_id = optimizer, None
        return self.state

    @property
    def initial(self) -> bool:
        """Whether the parameters are what the initializers draw."""
        return self.state is None or not (self.given or self.epochs or self.updates)

    def keep(self) -> None:
        """Keep all this for :meth:`go_back`."""
        self.before = None
        self.before = copy.copy(self)

    def go_back(self) -> bool:
        """Become what was kept, and return whether: not if there has been an update since. The run remains the last."""
        before, self.before = self.before, None
        if before is None or (self.updates > 0 and self.state is not before.state):
            return False
        vars(self).update({**vars(before), "run_id": self.run_id or before.run_id})
        return True

    def weights(self, placement: Placement) -> str:
        """A digest of the parameters, and after how many epochs they are so."""
        assert self.state is not None
        to_host = placement.backend.to_host
        flat = [to_host(p).ravel() for pair in self.state.parameters for p in pair]
        return f"{digest('weights', np.concatenate(flat))} after {self.epochs} epochs"

    def optimizer_state(self, placement: Placement) -> str:
        """A digest of the optimizer's slots, and after how many updates they are so."""
        assert self.state is not None
        if not self.updates:
            return "that of the start"
        to_host = placement.backend.to_host
        flat = [to_host(slot).ravel() for pair in self.state.slots for slots in pair for slot in slots]
        slots = digest("slots", np.concatenate(flat)) if flat else "no slots"
        return f"{slots} after {self.updates} updates"

    def saved(self, placement: Placement) -> dict[str, Any]:
        """The optimizer, its slots, its count of updates and the size of the inputs, as a file holds them."""
        assert self.state is not None
        saved = saved_optimizer(self.state, self.optimizer, self.updates, placement)
        return {**saved, "input_size": self.input_size}

    def take_up(self, saved: dict[str, Any], placement: Placement, dtype: str) -> None:
        """Go on with the optimizer that :meth:`saved` kept, for these parameters.

        Raises
        ------
        ValueError
            If slots are not shaped as the parameters.
        """
        assert self.state is not None
        self.state = with_slots(self.state, saved["slots"], placement, dtype)
        self.optimizer, self.updates = saved["optimizer"], saved["updates"]
        size = saved.get("input_size")  # which older files lack
        self.input_size = None if size is None else finite_number("the size of the inputs", size, 0.0)
