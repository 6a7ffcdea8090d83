"""A training loop without a network, for tests of what it makes of the numbers of a program."""

from gpunet.core.reference import Reference
from gpunet.devices.placement import host_placement
from gpunet.training.feed import Feed
from gpunet.training.history import History
from gpunet.training.loop import TrainingLoop
from gpunet.training.progress import ProgressBar


def loop_with(program, plan, examples, epochs, reference=None, together=False):
    placement = host_placement()
    feed = Feed(plan, placement, examples, 0, False, epochs, program, History(), None, None, None)
    reference = reference or Reference(placement.xp, plan)
    return TrainingLoop(feed, reference, ProgressBar(False, 1, plan.examples), together=together)
