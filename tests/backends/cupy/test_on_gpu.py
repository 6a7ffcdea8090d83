"""The programs on a GPU: the same kernels, compiled for it and run by it, against the reference."""

import array_api_compat.numpy as xp
import numpy as np
import pytest
from plans import DESCENTS, NETWORKS, OTHERS, arguments, differences, flat, plan_of

import gpunet as gn
from gpunet.core.reference import Reference

PROGRAMS = ("Singles", "Resident", "Blocks", "Batches")


@pytest.fixture(scope="module")
def cupy():
    backend = gn.devices.registry.load_backend("cupy")
    if backend.unavailable_reason():
        pytest.skip(f"no GPU: {backend.unavailable_reason()}")
    import cupy

    return cupy


def program_of(name, plan):
    """One of the programs; None where it does not cover the plan."""
    from gpunet_cupy import batches_program, blocks_program, resident_program, singles_program

    found = {
        "Singles": singles_program.Singles,
        "Resident": resident_program.Resident,
        "Blocks": blocks_program.Blocks,
        "Batches": batches_program.Batches,
    }[name]
    return None if found.unsupported_reason(plan) else found(plan)


def on_device(cupy, value):
    if isinstance(value, tuple | list):
        return type(value)(on_device(cupy, one) for one in value)
    return None if value is None else cupy.asarray(value)


def on_host(value):
    if isinstance(value, tuple | list):
        return type(value)(on_host(one) for one in value)
    return value.get()


CASES = [
    *((network, DESCENTS["plain"], 1, "float32") for network in NETWORKS if network != "wider"),
    # In float32 a rounding of the start moves one of its ReLUs across 0, and the weights by a hundredth.
    ("wider", DESCENTS["plain"], 1, "float64"),
    *(("relu-tanh-sigmoid", rule, 3, "float64") for rule in DESCENTS.values()),
    *(("sigmoid-softmax", rule, 40, "float64") for rule in OTHERS.values()),
    ("three-hidden", DESCENTS["momentum"], 75, "float32"),
    ("wide", DESCENTS["plain"], 1, "float64"),
]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}-{case[3]}")
def test_equal_to_the_reference(name, case, cupy):
    network, optimizer, batch_size, dtype = case
    inputs = 30 if network == "linear" else 130  # with more of them, its descent diverges
    plan = plan_of(network, optimizer, batch_size, dtype, weighted=True, examples=150, inputs=inputs)
    program = program_of(name, plan)
    if program is None:
        return
    for used in (150, 77):
        given = arguments(plan, used=used)
        device = on_device(cupy, list(given))
        got = on_host(program(*device))
        assert differences(plan, got, Reference(xp, plan)(*given)) == []
        assert np.array_equal(flat(on_host(device[:2])), flat(given[:2])), (
            "a program changed what it was given"
        )
        assert np.array_equal(flat(on_host(program(*device))), flat(got)), "a run does not repeat bit for bit"
