"""gpunet's reference program: the lecture's loop on the same backend, with no program of the backend's own."""

from __future__ import annotations

import gpunet as gn
from benchmarks.peers import gpunet
from benchmarks.peers.base import NotCovered

MOST_STEPS = 1600  # an epoch on a GPU: each takes about a millisecond there, and epochs are run whole


class Contender(gpunet.Contender):
    def prepare(self):
        if self.device == "cuda" and self.case.examples > MOST_STEPS * self.case.size:
            raise NotCovered("an epoch takes too long")
        super().prepare()
        backend = gn.get_backend(self.backend)
        backend.compile = lambda plan, device: None  # in this process alone
