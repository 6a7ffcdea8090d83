"""A call of ``fit``, described: a run goes on from a checkpoint if its call is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpunet.errors import AnotherRun
from gpunet.inputs.digest import digest
from gpunet.inputs.fit_data import FitArrays
from gpunet.training.described import described, differences
from gpunet.version import VERSION

WEIGHTS, EPOCHS = "weights", "epochs"  # entries of a call that may differ, under conditions


def described_call(
    settings: dict[str, Any], arrays: FitArrays, seed: int | None, weights: str | None
) -> dict[str, Any]:
    """Everything that a run depends on.

    Parameters
    ----------
    settings : dict
        Of the network, and the arguments of ``fit`` that are no arrays.
    arrays : FitArrays
        Those that are, and what is measured of them.
    seed : int or None
        None for one that was drawn.
    weights : str or None
        Which ones the run begins with; None for those that the initializers draw.
    """
    return {
        "version": VERSION,
        "seed": seed,
        **{name: described(value, constants=name != "callbacks") for name, value in settings.items()},
        "class_weight": described(arrays.class_weight),
        "label_smoothing": described(arrays.label_smoothing),
        "validation_fraction": described(arrays.validation_fraction),
        **{name: digest(name, array) for name, array in arrays.by_name().items()},
        WEIGHTS: weights,
    }


def require_same_call(
    folder: Path,
    training: dict[str, Any] | None,
    call: dict[str, Any],
    run_id: str | None,
    constant_rate: bool,
) -> None:
    """Raise unless a checkpoint is one of this call.

    Parameters
    ----------
    folder : Path
        For the message.
    training : dict or None
        What the checkpoint keeps for training, see :mod:`gpunet.training.saved`.
    call : dict
        See :func:`described_call`.
    run_id : str or None
        Of the run that the network is the result of; its weights need not be those that the run began with.
    constant_rate : bool
        Whether more epochs change nothing in the first ones.

    Raises
    ------
    AnotherRun
        Saying what differs.
    """
    run = (training or {}).get("run")
    if not isinstance(run, dict):
        raise AnotherRun(f"{folder} holds a network without a run to go on with: give another folder")
    before = run["call"]
    may_differ = set()
    if run_id == run["id"]:
        may_differ.add(WEIGHTS)
    # At the end of a run a callback may change the weights, as EarlyStopping does.
    unchanged = not (run["finished"] and run["callbacks"])
    if constant_rate and unchanged and call[EPOCHS] is not None and run["position"]["epoch"] < call[EPOCHS]:
        may_differ.add(EPOCHS)
    changed = {name for name in {*before, *call} if before.get(name) != call.get(name)} - may_differ
    if changed:
        other = changed - {WEIGHTS}
        lines = differences(
            {name: before.get(name) for name in other}, {name: call.get(name) for name in other}
        )
        if WEIGHTS in changed:
            lines.append(
                f"that run began with {_weights_at_start(before)}, this one with {_weights_at_start(call)}"
            )
        raise AnotherRun(
            f"{folder} holds a run of another call of fit: {'; '.join(lines)}. Give another folder, or begin afresh "
            f"there with gpunet.Checkpoint({str(folder)!r}, restart=True), or --restart on the command line"
        )


def _weights_at_start(call: dict[str, Any]) -> str:
    """In words: a network's initial weights, or others by their digest."""
    weights = call.get(WEIGHTS)
    return (
        "the initial weights of a network"
        if weights is None
        else f"weights that were trained or set ({weights})"
    )
