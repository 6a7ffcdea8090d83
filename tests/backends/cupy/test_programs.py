"""The CuPy programs compute what the reference computes: their own host code, their own kernels, on a CPU."""

import array_api_compat.numpy as xp
import numpy as np
import pytest
from plans import DESCENTS, NETWORKS, OTHERS, arguments, differences, flat, plan_of

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference


def on_device(fake, value):
    if isinstance(value, tuple | list):
        return type(value)(on_device(fake, one) for one in value)
    return fake.to_device(value)


def check(fake, program, plan, **chosen):
    given = arguments(plan, **chosen)
    device = on_device(fake, list(given))
    got, wanted = program(*device), Reference(xp, plan)(*given)
    assert np.array_equal(flat(device[:2]), flat(given[:2])), "a program changed what it was given"
    assert differences(plan, got, wanted) == []
    assert all(p.dtype == plan.dtype for pair in got[0] for p in pair)
    assert all(
        p.shape == q.shape for a, b in zip(got[0], wanted[0], strict=True) for p, q in zip(a, b, strict=True)
    )
    assert got[2].dtype == plan.dtype
    return got


SHALLOW = [name for name in NETWORKS if len(NETWORKS[name]) < 5 and name != "wider"]


def blocks(plan):
    from gpunet_cupy.blocks_program import Blocks

    assert Blocks.unsupported_reason(plan) is None
    return Blocks(plan)


def batches(plan):
    from gpunet_cupy.batches_program import Batches

    assert Batches.unsupported_reason(plan) is None
    return Batches(plan)


@pytest.mark.parametrize("network", SHALLOW)
def test_blocks_of_single_examples(network, fake, thread_order):
    plan = plan_of(network, DESCENTS["plain"], 1)
    check(fake, blocks(plan), plan)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("descent", DESCENTS)
def test_blocks_with_every_rule(descent, batch_size, fake):
    for network in ("relu-tanh-sigmoid", "linear"):
        plan = plan_of(network, DESCENTS[descent], batch_size, weighted=True)
        program = blocks(plan)
        check(fake, program, plan)
        check(fake, program, plan, shuffled=False)


def test_blocks_in_float32_and_the_largest_batch(fake):
    for size in (1, 16):
        plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], size, "float32")
        check(fake, blocks(plan), plan)


def test_blocks_shrink_to_the_shared_memory_there_is(fake, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 3)
    monkeypatch.setitem(fake.Device.attributes, "MaxSharedMemoryPerBlockOptin", 20_000)
    program = blocks(plan)
    assert 0 < program.block < 63 and program.block % 3 == 0 and program.bytes <= 20_000
    check(fake, program, plan)


def resident(plan):
    from gpunet_cupy.resident_program import Resident

    assert Resident.unsupported_reason(plan) is None
    return Resident(plan)


def singles(plan):
    from gpunet_cupy.singles_program import Singles

    assert Singles.unsupported_reason(plan) is None
    return Singles(plan)


DEEP = [name for name in NETWORKS if len(NETWORKS[name]) > 2 and name != "wider"]
ONE_HIDDEN = [name for name in SHALLOW if len(NETWORKS[name]) == 3]


@pytest.mark.parametrize("network", DEEP)
def test_resident(network, fake, thread_order):
    for size in (1, 40):
        plan = plan_of(network, DESCENTS["plain"], size, weighted=size > 1)
        program = resident(plan)
        check(fake, program, plan)
        check(fake, program, plan, shuffled=False)


@pytest.mark.parametrize("optimizer", [*DESCENTS.values(), *OTHERS.values()], ids=[*DESCENTS, *OTHERS])
def test_resident_with_every_rule(optimizer, fake):
    plan = plan_of("relu-tanh-sigmoid", optimizer, 32)
    check(fake, resident(plan), plan)


@pytest.mark.parametrize(("dtype", "inputs", "little"), [("float32", 130, 100), ("float64", 131, 190)])
def test_resident_in_many_tiles_and_chunks(dtype, inputs, little, fake, monkeypatch):
    """Layers of several rows and columns of tiles, whether all examples of a step fit or not."""
    monkeypatch.setitem(fake.Device.attributes, "MultiProcessorCount", 14)
    plan = plan_of("three-hidden", OTHERS["adamw"], 60, dtype, examples=150, inputs=inputs)
    chunks = set()
    for room in (227, little):
        monkeypatch.setitem(fake.Device.attributes, "MaxSharedMemoryPerBlockOptin", room * 1024)
        program = resident(plan)
        chunks.add(program.layout.chunk)
        assert program.layout.blocks == 14
        check(fake, program, plan)
        check(fake, program, plan, used=130)
    assert len(chunks) == 2


def test_resident_in_large_batches(fake):
    """Sums between hidden layers are then added up in phases of their own."""
    plan = plan_of("three-hidden", OTHERS["adam"], 300, examples=400)
    check(fake, resident(plan), plan)


@pytest.mark.parametrize("network", ONE_HIDDEN)
def test_singles(network, fake, thread_order):
    plan = plan_of(network, DESCENTS["plain"], 1, weighted=True)
    program = singles(plan)
    check(fake, program, plan)
    check(fake, program, plan, shuffled=False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_singles_in_many_tiles(dtype, fake, monkeypatch):
    monkeypatch.setitem(fake.Device.attributes, "MultiProcessorCount", 11)
    plan = plan_of("wide", gn.GradientDescent(gn.Cosine(0.05)), 1, dtype, examples=150, inputs=130)
    check(fake, singles(plan), plan)


def test_too_large_for_shared_memory(fake):
    from gpunet_cupy.resident_program import Resident

    plan = plan_of("wide", OTHERS["adam"], 32, inputs=5000)
    assert Resident.unsupported_reason(plan) == "the weights do not fit into shared memory"


@pytest.mark.parametrize("network", NETWORKS)
def test_batches(network, fake, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.batches_program.PIECE", 16)  # so that larger batches come in pieces
    for size in (1, 40):
        plan = plan_of(network, DESCENTS["plain"], size, weighted=size > 1)
        program = batches(plan)
        check(fake, program, plan)
        check(fake, program, plan, shuffled=False)


@pytest.mark.parametrize("optimizer", [*DESCENTS.values(), *OTHERS.values()], ids=[*DESCENTS, *OTHERS])
def test_batches_with_every_rule(optimizer, fake, thread_order):
    plan = plan_of("sigmoid-softmax", optimizer, 32)
    check(fake, batches(plan), plan)


def test_batches_whose_last_layer_takes_whole_blocks(fake):
    plan = plan_of("wider", DESCENTS["plain"], 16, examples=40)
    check(fake, batches(plan), plan)


def test_parameters_that_a_program_returned_are_one_copy(fake):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 20)
    program = batches(plan)
    given = on_device(fake, list(arguments(plan)))
    first = program(*given)
    assert program.flat._unpacked(given[0]) is None and program.flat._unpacked(first[0]) is not None
    again = program(*first[:2], *given[2:])
    apart = on_device(fake, [[tuple(np.array(p) for p in pair) for pair in first[0]]])[0]
    assert np.array_equal(flat(again), flat(program(apart, *first[1:2], *given[2:])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_full_batch_needs_no_order(dtype, fake):
    plan = plan_of("relu-tanh-sigmoid", OTHERS["adam"], 75, dtype)
    program = batches(plan)
    check(fake, program, plan)
    assert program.buffers[0].size == 0, "rows were gathered though all are summed"
    check(fake, program, plan, used=50)  # part of the examples is another matter
    assert program.buffers[0].size > 0


@pytest.mark.parametrize("used", [64, 33])
def test_the_first_part_of_an_epoch(used, fake):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 2)
    for make in (blocks, batches, resident):
        check(fake, make(plan), plan, used=used)


def test_a_run_repeats_bit_for_bit(fake):
    for make, size in ((blocks, 1), (batches, 32), (resident, 32)):
        plan = plan_of("relu-tanh-sigmoid", DESCENTS["momentum"], size, "float32")
        program = make(plan)
        first, second = (flat(program(*on_device(fake, list(arguments(plan))))) for _ in range(2))
        assert np.array_equal(first, second)


def test_non_finite_numbers_come_through(fake):
    """Divergence must show: a maximum or a comparison must not swallow NaN."""
    for network in SHALLOW:
        for make, size in ((blocks, 1), (batches, 20), (resident, 20), (singles, 1)):
            if (make is resident and network not in DEEP) or (make is singles and network not in ONE_HIDDEN):
                continue
            plan = plan_of(network, DESCENTS["plain"], size)
            given = list(arguments(plan))
            W, b = given[0][0]
            given[0][0] = (np.full_like(W, np.nan), b)
            assert np.isnan(flat(make(plan)(*on_device(fake, given))[2])).all(), network


def test_short_of_memory_a_smaller_piece_is_tried(fake, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 4000, examples=4000)
    monkeypatch.setitem(fake.MEMORY, "room", 1500 * 7 * 8)  # A[1] of at most 1,500 examples
    program = batches(plan)
    check(fake, program, plan)
    assert program.piece == 1000
    monkeypatch.setitem(fake.MEMORY, "room", 8)
    with pytest.raises(MemoryError):
        batches(plan)(*on_device(fake, list(arguments(plan))))


def test_the_kernels_of_a_device_run_there(fake):
    """Everything is asked of the chosen device, and the caller's is current again afterwards."""
    from gpunet_cupy.batches_program import Batches

    plan = plan_of("linear", DESCENTS["plain"], 32)
    seen, program = [], Batches(plan, 1)
    launch = program.update
    program.update = lambda *given: (seen.append(fake.Device.current[-1]), launch(*given))
    check(fake, program, plan)
    assert seen == [1] * plan.steps and fake.Device.current == []


def test_they_say_what_they_cover(fake):
    backend = gn.devices.registry.load_backend("cupy")

    def chosen(network="sigmoid-softmax", optimizer=DESCENTS["plain"], batch_size=1):
        plan = plan_of(network, optimizer, batch_size, examples=2000)
        program = backend.compile(plan, "cuda:0")
        assert (program is None) == (backend.unsupported_reason(plan) is not None)
        return backend.unsupported_reason(plan) if program is None else program.name

    assert chosen() == "cupy singles"
    assert chosen(optimizer=DESCENTS["momentum"]) == "cupy blocks"
    assert chosen(batch_size=2) == chosen(optimizer=gn.Adam()) == "cupy resident"
    assert chosen("linear", batch_size=16) == "cupy blocks"
    assert chosen("linear", batch_size=17) == chosen(batch_size=2000) == "cupy batches"
    assert "clipping has no kernel" in chosen(optimizer=gn.GradientDescent(clip_norm=1.0))
    for name, reason in (("gelu", "gelu in a hidden layer"), ("softmax", "softmax in a hidden layer")):
        NETWORKS["odd"] = ((3, name), (2, "softmax"), "cross_entropy")
        try:
            assert reason in chosen("odd")
        finally:
            del NETWORKS["odd"]
    wide = Plan(
        (Layer(784, 4096, "relu"), Layer(4096, 10, "softmax")), "cross_entropy", gn.GradientDescent(), 9, 1
    )
    assert backend.compile(wide, "cuda:0").name == "cupy batches"


def test_versions_are_said(fake):
    assert gn.devices.registry.load_backend("cupy").details() == ["CuPy 14, CUDA runtime 13000"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("cudaErrorMemoryAllocation: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_that_mean_out_of_memory(error):
    backend = gn.devices.registry.load_backend("cupy")
    assert backend.out_of_memory(error) and not backend.out_of_memory(ValueError("no"))
