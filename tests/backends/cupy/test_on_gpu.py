"""The programs on a GPU: the same kernels, compiled for it and run by it, against the reference."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.reference import Reference
from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from random_plans import DESCENTS, NETWORKS, OTHERS, differences, draw, map_arrays, numbers, plan_of

PROGRAMS = (PersistentBlockedSGD, PersistentDeepBlockedSGD, PersistentKernel, BlockedSGD, MiniBatch)
# Of the size that is measured: the second layer takes several thread blocks.
TWO_WIDE = ((512, "tanh"), (256, "tanh"), (10, "softmax"), "cross_entropy")


@pytest.fixture(scope="module")
def cupy():
    backend = gn.devices.registry.load_backend("cupy")
    if backend.unavailable_reason():
        pytest.skip(f"no GPU: {backend.unavailable_reason()}")
    import cupy

    return cupy


CASES = [
    *((network, DESCENTS["plain"], 1, "float32") for network in NETWORKS if network != "wider"),
    # In float32 a rounding of the start moves one of its ReLUs across 0, and the weights by a hundredth.
    ("wider", DESCENTS["plain"], 1, "float64"),
    *(("relu-tanh-sigmoid", rule, 3, "float64") for rule in DESCENTS.values()),
    *(("sigmoid-softmax", rule, 40, "float64") for rule in OTHERS.values()),
    ("three-hidden", DESCENTS["momentum"], 75, "float32"),
    ("wide", DESCENTS["plain"], 1, "float64"),
    *(("two-wide", DESCENTS["plain"], 1, dtype) for dtype in ("float32", "float64")),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}-{case[3]}")
def test_equal_to_the_reference(program, case, cupy, monkeypatch):
    monkeypatch.setitem(NETWORKS, "two-wide", TWO_WIDE)
    network, optimizer, batch_size, dtype = case
    inputs = 30 if network == "linear" else 130  # with more of them, its descent diverges
    plan = plan_of(network, optimizer, batch_size, dtype, weighted=True, examples=150, inputs=inputs)
    if program.unsupported_reason(plan) is not None:
        return
    run = program(plan)
    for used in (150, 77):
        given = draw(plan, used=used)
        on_device = map_arrays(cupy.asarray, given)
        result = map_arrays(cupy.asnumpy, run(*on_device))
        assert differences(plan, result, Reference(xp, plan)(*given)) == {}
        after = map_arrays(cupy.asnumpy, on_device[0])
        assert np.array_equal(numbers(after), numbers(given[0])), (
            "a program changed the state that it was given"
        )
        again = map_arrays(cupy.asnumpy, run(*on_device))
        assert np.array_equal(numbers(again), numbers(result)), "a run does not repeat bit for bit"
