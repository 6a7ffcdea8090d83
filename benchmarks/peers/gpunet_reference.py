"""gpunet's reference program: the lecture's loop on the same backend, with no program of the backend's own."""

from __future__ import annotations

import gpunet as gn
from benchmarks.peers import gpunet
from benchmarks.peers.base import NotCovered

# An epoch: epochs are run whole, and a step takes about a millisecond on a GPU.
MOST_STEPS = {"cpu": 20_000, "cuda": 1600}


class Contender(gpunet.Contender):
    def prepare(self):
        if self.case.examples > MOST_STEPS[self.device] * self.case.size:
            raise NotCovered("an epoch takes too long")
        super().prepare()
        backend = gn.get_backend(self.backend)
        backend.compile = lambda plan, device: None  # in this process alone
