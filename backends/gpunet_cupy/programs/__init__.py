"""The programs of the CuPy backend."""

from __future__ import annotations

from gpunet.core.plan import Plan
from gpunet.core.program import Program
from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD


def programs(plan: Plan) -> list[type[Program]]:
    """All programs, in the order in which they are tried: for `plan`, the faster ones first."""
    if plan.batch_size == 1:
        return [PersistentBlockedSGD, PersistentDeepBlockedSGD, BlockedSGD, PersistentKernel, MiniBatch]
    return [PersistentKernel, BlockedSGD, MiniBatch]
