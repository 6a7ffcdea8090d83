"""gpunet's reference program on the same backend: the lecture's loop, without any program of the backend's own."""

from __future__ import annotations

import gpunet as gn
from benchmarks.errors import Unsupported
from benchmarks.peers import gpunet

# Per epoch: gpunet runs whole epochs only, and a step takes about a millisecond on a GPU.
MAX_STEPS = {"cpu": 20_000, "cuda": 1600}


class Implementation(gpunet.Implementation):
    def prepare(self):
        if self.case.examples > MAX_STEPS[self.settings.device] * self.case.batch_size:
            raise Unsupported("an epoch takes too long")
        super().prepare()
        # Backends are shared objects; this process measures nothing else.
        gn.get_backend(self.settings.backend).program_for = lambda plan, device: (None, "switched off")

    def fit(self, epochs):
        history = super().fit(epochs)
        assert history.program == "reference", history.program
        return history
