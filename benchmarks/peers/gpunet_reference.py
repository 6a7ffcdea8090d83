"""gpunet's reference program: the lecture's loop on the same backend, with no program of the backend's own."""

from __future__ import annotations

import gpunet as gn
from benchmarks.peers import gpunet


class Contender(gpunet.Contender):
    def prepare(self):
        super().prepare()
        backend = gn.get_backend(self.backend)
        backend.compile = lambda plan, device: None  # in this process alone
