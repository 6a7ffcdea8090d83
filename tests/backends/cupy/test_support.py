"""Which program runs which plan on which device, and what the backend says about itself."""

from dataclasses import replace

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import PRECISIONS, Layer, Plan
from gpunet_cupy import together
from gpunet_cupy.data import EpochData
from gpunet_cupy.programs import programs
from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from random_plans import DESCENTS, FROZEN, NETWORKS, OTHERS, draw, map_arrays, plan_of

PROGRAMS = [PersistentBlockedSGD, PersistentDeepBlockedSGD, BlockedSGD, PersistentKernel, MiniBatch]


@pytest.fixture
def backend():
    return gn.devices.registry.load_backend("cupy")


def test_the_program_of_each_plan(fake, backend, monkeypatch):
    def chosen(network="sigmoid-softmax", optimizer=DESCENTS["plain"], batch_size=1):
        plan = plan_of(network, optimizer, batch_size, examples=2000)
        program, reason = backend.program_for(plan, "cuda:0")
        return reason if program is None else program.name

    assert chosen() == "cupy persistent blocked SGD"
    assert chosen("relu-tanh-sigmoid") == "cupy persistent deep blocked SGD"
    for descent in DESCENTS.values():
        assert chosen(optimizer=descent) == "cupy persistent blocked SGD"
        assert chosen("relu-tanh-sigmoid", descent) == "cupy persistent deep blocked SGD"
    assert chosen("softmax", DESCENTS["momentum"]) == "cupy blocked SGD"
    assert chosen(batch_size=2) == chosen(optimizer=gn.Adam()) == "cupy persistent kernel"
    assert chosen(optimizer=gn.Adam(), batch_size=400) == "cupy persistent kernel"
    assert chosen("linear", batch_size=16) == "cupy blocked SGD"
    assert chosen("linear", batch_size=17) == chosen(batch_size=401) == "cupy mini-batch"
    assert chosen(optimizer=gn.GradientDescent(clip_norm=1.0)) == "cupy mini-batch"
    for name, reason in (("gelu", "gelu in a hidden layer"), ("softmax", "softmax in a hidden layer")):
        monkeypatch.setitem(NETWORKS, "odd", ((3, name), (2, "softmax"), "cross_entropy"))
        assert reason in chosen("odd")
    monkeypatch.setitem(NETWORKS, "odd", ((3, "tanh"), (2, "softmax"), "logistic"))
    assert "softmax with logistic has no kernel" in chosen("odd")


def test_precisions_of_each_device(fake, backend, monkeypatch):
    assert backend.precisions("cuda:0") == PRECISIONS
    monkeypatch.setattr(fake.Device, "compute_capability", "75")
    assert backend.precisions("cuda:0") == ("float32",)


def test_how_many_epochs_one_call_takes(fake, monkeypatch):
    """By steps, by examples, by work for the multiprocessors there are, and never more than the most."""

    def count(examples, batch_size, block_steps=1, units=1, device="cuda:0"):
        layers = (Layer(10, units, "sigmoid"), Layer(units, 1, "sigmoid"))
        plan = Plan(layers, "logistic", gn.Adam(), examples, batch_size)
        return together.epochs_together(plan, device, block_steps)

    monkeypatch.setitem(fake.ATTRIBUTES_OF, 1, {"MultiProcessorCount": 132})
    assert count(10, 5) == count(64, 16) == 64
    assert count(100, 1) == 2 and count(256, 1) == 1 and count(257, 1) == 1
    assert count(100, 5) == 12 and count(99, 5) == 1  # a batch of two epochs
    assert count(640, 1, 64) == 25 and count(640, 1, 63) == 1  # a block of two epochs
    assert count(10_000, 10_000) == 50 and count(300_000, 300_000) == 1
    wide = {"batch_size": 60_000, "units": 18_000}  # 11.88e9 multiplications
    assert count(60_000, **wide) == 1 and count(60_000, **wide, device="cuda:1") == 8
    assert count(60_000, **wide | {"units": 36_000}, device="cuda:1") == 4


def test_finite_parameters(fake, backend, monkeypatch):
    """Views of one array that hold all of it are looked at as one array; others one by one."""
    looked_at = []

    def all_finite(self, arrays):
        looked_at.append(len(arrays))
        return all(np.isfinite(np.asarray(array)).all() for array in arrays)

    monkeypatch.setattr("gpunet.devices.backend.Backend.all_finite", all_finite)
    theta = fake.to_device(np.ones(10, "float32"))
    parts = [theta[:6].reshape(3, 2), theta[6:9].reshape(3, 1), theta[9:]]
    assert backend.all_finite(parts)
    assert backend.all_finite(parts[:2])
    assert backend.all_finite([fake.to_device(one) for one in parts])
    assert backend.all_finite([parts[0], fake.to_device(parts[1]), parts[2]])
    assert looked_at == [1, 2, 3, 3]
    for i in (5, 8, 9):
        theta[i] = np.nan
        assert not backend.all_finite(parts)
        theta[i] = 1.0


def plan_with(
    layers=((784, 256, "sigmoid"), (256, 10, "softmax")), optimizer=DESCENTS["plain"], batch_size=1
):
    return Plan(tuple(Layer(*layer) for layer in layers), "cross_entropy", optimizer, 9, batch_size)


def test_networks_that_are_too_large(fake, backend, monkeypatch):
    monkeypatch.setitem(fake.ATTRIBUTES_OF, 7, LARGE)
    wide = plan_with(((784, 4096, "relu"), (4096, 10, "softmax")))
    assert backend.program_for(wide, "cuda:0")[0].name == "cupy mini-batch"
    assert BlockedSGD.unsupported_reason(wide) == "the layers after the first do not fit into shared memory"
    assert "256 units" in PersistentBlockedSGD.unsupported_reason(wide)
    outputs = plan_with(((784, 256, "sigmoid"), (256, 33, "softmax")))
    assert "16 outputs" in PersistentBlockedSGD.unsupported_reason(outputs)
    assert (
        PersistentKernel.unsupported_reason(outputs) == "33 outputs from 256 units do not fit into registers"
    )
    for units, outputs, program in (
        ((512, 256), 16, "cupy persistent deep blocked SGD"),
        ((512, 257), 16, "cupy persistent kernel"),
        ((512, 256), 17, "cupy persistent kernel"),
        ((1024, 9), 9, "cupy persistent deep blocked SGD"),
        ((1025, 9), 9, "cupy persistent kernel"),
    ):
        layers = ((300, units[0], "relu"), (*units, "relu"), (units[1], outputs, "softmax"))
        assert backend.program_for(plan_with(layers), "cuda:7")[0].name == program
    deep = plan_with(((9, 8, "relu"), (8, 7, "relu"), (7, 6, "relu"), (6, 5, "softmax")))
    assert BlockedSGD.unsupported_reason(deep) == "more than 3 layers have no kernel"
    tall = plan_of("wide", OTHERS["adam"], 32, inputs=5000)
    assert PersistentKernel.unsupported_reason(tall) == "the weights do not fit into shared memory"


def test_dropout_and_clipping_go_in_mini_batches(fake):
    def one(program, dropout=0.0, clip=None):
        below = (Layer(9, 9, "tanh"),) if program is PersistentDeepBlockedSGD else ()
        layers = (*below, Layer(9, 8, "relu"), Layer(8, 3, "softmax", dropout=dropout))
        return Plan(layers, "cross_entropy", gn.GradientDescent(0.1, clip_norm=clip), 9, 1)

    for options, reason in (({"dropout": 0.5}, "dropout"), ({"clip": 1.0}, "clipped")):
        reasons = {program: program.unsupported_reason(one(program, **options)) for program in PROGRAMS}
        assert reasons.pop(MiniBatch) is None
        assert all(reason in found for found in reasons.values())


@pytest.mark.parametrize("frozen", FROZEN)
def test_frozen_layers_have_no_kernel(frozen, fake, backend):
    for batch_size in (1, 32):
        plan = plan_of("three-hidden", DESCENTS["plain"], batch_size, frozen=FROZEN[frozen])
        assert all(p.unsupported_reason(plan) is not None for p in PROGRAMS)
        program, reason = backend.program_for(plan, "cuda:0")
        assert program is None
        assert "frozen layers have no kernel" in reason


@pytest.mark.parametrize("kind", [gn.GradientDescent, gn.Adam, gn.AdamW, gn.RMSprop])
def test_an_optimizer_with_an_update_of_its_own_has_no_kernel(kind, fake, backend):
    class Zero(kind):
        def update(self, xp, theta, gradient, slots, c):
            return theta, slots

    for optimizer, supported in ((kind(0.1), True), (Zero(0.1), False)):
        for batch_size in (1, 4):
            plan = plan_of("sigmoid-softmax", optimizer, batch_size)
            assert any(p.unsupported_reason(plan) is None for p in programs(plan)) == supported
            assert (backend.program_for(plan, "cuda:0")[0] is not None) == supported
    plan = plan_of("sigmoid-softmax", Zero(0.1), 1)
    assert all(p.unsupported_reason(plan) is not None for p in PROGRAMS)
    assert "Zero has no kernel" in backend.program_for(plan, "cuda:0")[1]


LARGE = {"MaxSharedMemoryPerBlockOptin": 227 * 1024, "MultiProcessorCount": 132}
LITTLE_MEMORY = {"MaxSharedMemoryPerBlockOptin": 36 * 1024, "MultiProcessorCount": 132}
FEW_PROCESSORS = {"MaxSharedMemoryPerBlockOptin": 227 * 1024, "MultiProcessorCount": 60}


@pytest.mark.parametrize("current", ["cuda:0", "cuda:1", "cuda:2"])
def test_the_device_of_the_run_is_asked(current, fake, backend, monkeypatch):
    """What fits is decided by the run's device, whichever is current."""
    for number, attributes in enumerate((LARGE, LITTLE_MEMORY, FEW_PROCESSORS)):
        monkeypatch.setitem(fake.ATTRIBUTES_OF, number, attributes)
    plans = [plan_with(), plan_with(optimizer=DESCENTS["momentum"])]
    plans.append(plan_with(optimizer=gn.Adam(), batch_size=32))
    small = plan_with(((784, 256, "sigmoid"), (256, 2, "softmax")), DESCENTS["decay"])
    with backend.on(current):
        for device, names in (
            ("cuda:0", [*["cupy persistent blocked SGD"] * 2, "cupy persistent kernel"]),
            ("cuda:1", ["cupy blocked SGD", "cupy mini-batch", "cupy mini-batch"]),
        ):
            found = [backend.program_for(plan, device)[0] for plan in plans]
            assert [(one.name, one.device) for one in found] == [(name, device) for name in names]
        assert [BlockedSGD(small, device).block for device in ("cuda:0", "cuda:1")] == [64, 16]
        grids = [PersistentKernel(plans[2], d).launch.thread_blocks for d in ("cuda:0", "cuda:2")]
        assert grids[1] <= 60 < grids[0] <= 132


def test_versions(fake, backend):
    assert backend.details() == ["CuPy 14, CUDA runtime 13000"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("cudaErrorMemoryAllocation: out of memory"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_that_mean_out_of_memory(error, backend):
    assert backend.out_of_memory(error) and not backend.out_of_memory(ValueError("no"))


def test_X_that_is_not_aligned_is_copied(fake, check, make):
    """Kernels load four values of X at a time, from addresses that are multiples of 16 bytes."""
    plan = plan_of("linear", DESCENTS["plain"], 1, "float32", inputs=12)
    _, inputs = map_arrays(fake.to_device, draw(plan))
    room = fake.to_device(np.zeros(plan.examples * 12 + 8, dtype="float32"))
    start = (-room.data.ptr // 4) % 4
    for offset, copied in ((start, False), (start + 1, True)):
        X = room[offset : offset + plan.examples * 12].reshape(plan.examples, 12)
        data = EpochData(inputs._replace(X=X.T))
        assert data.X.data.ptr % 16 == 0 and np.shares_memory(data.X, room) != copied


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_penalty_is_not_done_in_blocks(fake, program):
    network = "relu-tanh-sigmoid" if program is PersistentDeepBlockedSGD else "sigmoid-softmax"
    plan = plan_of(network, DESCENTS["plain"], 1, "float32", examples=2000)
    assert program.unsupported_reason(plan) is None
    in_blocks = program not in (PersistentKernel, MiniBatch)
    reason = "an L2 penalty is not done in blocks" if in_blocks else None
    assert program.unsupported_reason(replace(plan, penalized=True)) == reason


def test_programs_of_the_estimators_defaults(fake, backend, monkeypatch):
    """Adam in batches of 200 with a penalty, and all examples where there are fewer."""
    monkeypatch.setitem(fake.ATTRIBUTES_OF, 0, LARGE)
    for examples, inputs, program in (
        (60_000, 784, "persistent kernel"),
        (150, 4, "persistent kernel"),
        (5000, 20_000, "mini-batch"),
    ):
        layers = (Layer(inputs, 100, "relu"), Layer(100, 10, "softmax"))
        plan = Plan(layers, "cross_entropy", gn.Adam(), examples, min(200, examples), penalized=True)
        assert backend.program_for(plan, "cuda:0")[0].name == f"cupy {program}"


def test_kernels_are_compiled_for_the_device_of_the_run(fake, backend):
    """CuPy compiles a kernel when it is asked for, for the current device, and makes a context there."""
    for batch_size, program in ((500, "cupy mini-batch"), (3, "cupy blocked SGD")):
        plan = plan_of("linear", DESCENTS["plain"], batch_size, "float32", examples=1000)
        fake.COMPILED.clear()
        with fake.Device(2):
            assert backend.program_for(plan, "cuda:1")[0].name == program
        assert {device for _, device in fake.COMPILED} == {1}
