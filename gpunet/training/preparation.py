"""From a plan and its data to the training loop that ``fit`` consumes.

What is below the layers that learn is computed once (:mod:`gpunet.training.frozen`). What is above them gets a program,
chunks if the run may pause within an epoch, and windows if its examples are not all in memory.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from gpunet.core.plan import Plan
from gpunet.core.program import Program, TrainState
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.fit_data import FitData
from gpunet.inputs.pipeline import Examples, InputPipeline
from gpunet.teams.share import Share
from gpunet.training.chunks import Chunks
from gpunet.training.feed import Feed
from gpunet.training.frozen import FrozenBase
from gpunet.training.history import History
from gpunet.training.loop import TrainingLoop
from gpunet.training.programs import chosen_program
from gpunet.training.progress import ProgressBar
from gpunet.training.run_settings import RunSettings
from gpunet.training.transforms import Transform
from gpunet.training.windows import Windows


class Prepared(NamedTuple):
    """The training loop of a run, and the frozen layers below those that it trains."""

    loop: TrainingLoop
    base: FrozenBase


def prepared(
    plan: Plan,
    data: FitData,
    pipeline: InputPipeline,
    state: TrainState,
    epochs: int,
    settings: RunSettings,
) -> Prepared:
    """Prepare a run.

    Parameters
    ----------
    plan : Plan
        Of the whole network.
    data : FitData
    pipeline : InputPipeline
        With a fitted standardizer.
    state : TrainState
        Of the whole network, at the start.
    epochs : int
        Of the run.
    settings : RunSettings
    """
    placement, team = pipeline.placement, settings.team
    # A sum over all examples has no order.
    settings = settings._replace(shuffle=settings.shuffle and plan.steps > 1)
    bar = ProgressBar(settings.progress and settings.is_first, epochs, plan.examples)
    kept = settings.transform is None and data.stream is None
    base = FrozenBase(plan, state, placement, kept=kept)
    plan, examples, transform = _above(plan, data, pipeline, base, settings)
    program, reason, reference = chosen_program(plan, placement, team)
    history = History(
        examples=plan.examples,
        program=program.name,
        reason=reason,
        backend=placement.backend.name,
        device=placement.device,
        precision=plan.precision,
    )
    windows = _windows(plan, data, base, program, settings)
    feed = Feed(
        *(plan, placement, examples, settings.seed, settings.shuffle, epochs),
        program=program,
        history=history,
        chunks=Chunks(plan, settings.checkpoint_steps, team) if settings.pauses else None,
        transform=transform,
        windows=windows,
    )
    looks = settings.callbacks or settings.checkpoints is not None or data.validation is not None
    alone = not looks and windows is None and team.size == 1
    return Prepared(TrainingLoop(feed, reference, bar, together=alone), base)


def _above(
    plan: Plan, data: FitData, pipeline: InputPipeline, base: FrozenBase, settings: RunSettings
) -> tuple[Plan, Examples, Transform | None]:
    """The plan of the layers above the base, and their examples; with a transform the base comes after that."""
    if settings.transform is None:
        return base.plan_above(plan), base.examples_above(data.training), None
    transform = Transform(settings.transform, data.shape, plan.batch_size, settings.seed, pipeline, base)
    examples = data.training
    # A batch of sparse examples is dense for the function, and after it.
    if isinstance(examples.X, SparseExamples):
        examples = examples._replace(X=examples.X.as_dense())
        plan = dataclasses.replace(plan, sparse=False)
    return base.plan_above(plan), examples, transform


def _windows(
    plan: Plan, data: FitData, base: FrozenBase, program: Program, settings: RunSettings
) -> Windows | None:
    """The windows of examples that are read block by block; None for those in memory."""
    if data.stream is None:
        return None
    # A transform, and products of the frozen base, would give other bits for other batches.
    together = settings.transform is not None or base.depth
    share = Share(dataclasses.replace(plan, lanes=None) if together else plan, settings.team.engine)
    order_seed = settings.seed if settings.shuffle else None
    reads_integers = program.takes_integers and not together
    stream = data.stream.with_integers() if reads_integers else data.stream
    return Windows(stream, plan, order_seed, base, share, program.block_steps, settings.checkpoint_steps)
