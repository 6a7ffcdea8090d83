"""The programs on a GPU: the same kernels, compiled for it and run by it, against the reference."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from cupy_signatures import NAMES, SIGNATURES, attribute, names, parameters_of
from gpunet.core.integer_columns import IntegerColumns
from gpunet.core.plan import Layer, Plan
from gpunet.core.propagation import forward
from gpunet.core.reference import Reference
from gpunet.devices.checks import Reach
from gpunet_cupy import checks
from gpunet_cupy.kept import KEPT
from gpunet_cupy.nccl import NCCL, QUEUED
from gpunet_cupy.predict import FEW, Predictor
from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from integer_inputs import both
from random_plans import (
    DESCENTS,
    NETWORKS,
    OTHERS,
    differences,
    draw,
    map_arrays,
    numbers,
    plan_of,
    with_penalty,
)
from small_networks import close
from small_networks import network as small_network
from streams import mapped, small_blocks, used_order

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
    *(
        (network, rule, 1, dtype)
        for network in ("wide", "two-wide")
        for rule in (DESCENTS["momentum"], DESCENTS["nesterov"])
        for dtype in ("float32", "float64")
    ),
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
        # Matrix units add up with a little less than float32's accuracy, and the steps of an epoch add to it.
        near = 3e-4 if program is MiniBatch else 3e-5
        if dtype == "float32" and network == "two-wide" and optimizer.slots:
            near = 1e-3  # momentum magnifies a rounding
        assert differences(plan, result, Reference(xp, plan)(*given), near) == {}
        after = map_arrays(cupy.asnumpy, on_device[0])
        assert np.array_equal(numbers(after), numbers(given[0])), (
            "a program changed the state that it was given"
        )
        again = map_arrays(cupy.asnumpy, run(*on_device))
        assert np.array_equal(numbers(again), numbers(result)), "a run does not repeat bit for bit"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_and_clipping(dtype, cupy):
    optimizer = replace(OTHERS["adamw"], clip_norm=0.3)
    plan = plan_of("three-hidden", optimizer, 10, dtype, examples=150, inputs=132)
    plan = replace(plan, layers=tuple(replace(layer, dropout=0.3) for layer in plan.layers))
    state, inputs = draw(plan)
    keys = np.random.default_rng(0).integers(-(2**31), 2**31, (15, 4), dtype=np.int32)
    given = state, inputs._replace(dropout_keys=keys)
    run, on_device = MiniBatch(plan), map_arrays(cupy.asarray, given)
    for _ in range(2):  # the second time from a graph
        result = map_arrays(cupy.asnumpy, run(*on_device))
        assert differences(plan, result, Reference(xp, plan)(*given), 3e-4) == {}


@pytest.mark.parametrize("program", [PersistentKernel, MiniBatch])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_penalty(dtype, program, cupy):
    for network, batch_size in (("three-hidden", 40), ("wide", 7)):
        clip_norm = 0.3 if program is MiniBatch and dtype == "float64" else None
        optimizer = replace(OTHERS["adamw"], clip_norm=clip_norm)
        plan = plan_of(network, optimizer, batch_size, dtype, examples=150, inputs=132)
        state, inputs = draw(plan)
        plan, inputs = with_penalty(plan, inputs)
        run, on_device = program(plan), map_arrays(cupy.asarray, (state, inputs))
        near = 3e-4 if program is MiniBatch else 3e-5
        for _ in range(2):  # the second time from a graph
            result = map_arrays(cupy.asnumpy, run(*on_device))
            assert differences(plan, result, Reference(xp, plan)(state, inputs), near) == {}


@pytest.mark.parametrize("program", [PersistentKernel, MiniBatch, BlockedSGD])
@pytest.mark.parametrize(("dtype", "per"), [("uint8", "feature"), ("uint8", None), ("int16", "set")])
def test_small_integers_lead_to_the_bits_of_their_numbers(program, dtype, per, cupy):
    placement = gn.devices.placement.Placement(gn.get_backend("cupy"), "cuda:0")
    for inputs, batch_size in ((784, 10), (131, 7)):
        plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], batch_size, "float32", inputs=inputs)
        state, epoch = map_arrays(cupy.asarray, draw(plan))
        run = program(plan)
        for _ in range(2):  # the second time from a graph
            found, wanted = (
                numbers(map_arrays(cupy.asnumpy, run(state, one)))
                for one in both(plan, epoch, dtype, per, placement)
            )
            assert np.isfinite(wanted).all() and np.array_equal(found, wanted)


@pytest.mark.parametrize("batch_size", [1, 20, 500, None])
def test_uint8_images_stay_uint8(batch_size, cupy, rng, monkeypatch):
    """The same network as from float32 ones; the program for single examples is given float32."""
    images, y = rng.integers(0, 256, (6000, 28, 28), dtype=np.uint8), np.arange(6000) % 10
    images[:, 0, 0] = 3
    kept, found = [], []
    inputs = gn.training.feed.Feed.inputs

    def recorded(self, *arguments):
        kept.append(isinstance(self.examples.X, IntegerColumns))
        return inputs(self, *arguments)

    monkeypatch.setattr("gpunet.training.feed.Feed.inputs", recorded)
    for X in (images, cupy.asarray(images), images.astype("float32")):
        layers = [gn.Dense(64, "relu"), gn.Dense(10, "softmax")]
        net = gn.Network(layers, seed=0, backend="cupy", standardizer=gn.Standardizer())
        fit = {"optimizer": gn.GradientDescent(0.01), "epochs": 1, "batch_size": batch_size}
        labels = cupy.asarray(y) if isinstance(X, cupy.ndarray) else y
        history = net.fit(X, labels, validation_fraction=0.1, **fit)
        parameters = map_arrays(cupy.asnumpy, net.parameters)
        found.append(np.concatenate([history.val_loss, numbers(parameters)]))
    assert np.array_equal(found[0], found[2]) and np.array_equal(found[1], found[2])
    assert kept == ([False] * 3 if batch_size == 1 else [True, True, False])


def gradient_errors(m, precision, cupy, program=MiniBatch):
    """Of each layer's weights, relative to float64: with a large rate, a step changes the weights by the gradient."""
    layers = (Layer(784, 256, "sigmoid"), Layer(256, 128, "tanh"), Layer(128, 10, "softmax"))
    plan = Plan(layers, "cross_entropy", gn.GradientDescent(1e4), m, m, precision=precision)
    given = draw(plan)
    if program is MiniBatch:
        given = given[0], given[1]._replace(order=None)
    as_wide = map_arrays(lambda a: cupy.asarray(a, dtype="float64"), given)
    state, _ = program(plan)(*map_arrays(cupy.asarray, given))
    expected, _ = MiniBatch(replace(plan, dtype="float64", precision="float32"))(*as_wide)
    errors = []
    for (W, _), (exact, _), (start, _) in zip(
        state.parameters, expected.parameters, as_wide[0].parameters, strict=True
    ):
        gradient = exact - start
        error = cupy.linalg.norm(W.astype("float64") - start - gradient) / cupy.linalg.norm(gradient)
        errors.append(float(error))
    return errors


@pytest.mark.parametrize("m", [300, 1000, 3000, 20_000])
def test_gradients_by_parts_have_the_error_of_float32(m, cupy):
    assert max(gradient_errors(m, "float32", cupy)) < 3e-6


@pytest.mark.parametrize("m", [32, 100, 400])
def test_gradients_of_the_persistent_kernel_have_the_error_of_float32(m, cupy):
    assert max(gradient_errors(m, "float32", cupy, PersistentKernel)) < 3e-6


@pytest.mark.parametrize("batch_size", [None, 480, 40, 1])
def test_one_run_and_runs_of_one_epoch(batch_size, cupy, rng):
    """Epochs in one call, in a call each, and in a run each, whose program is that of the run before: the same bits."""
    X = cupy.asarray(rng.standard_normal((1920, 132)).astype("float32"))
    y = cupy.asarray(np.arange(1920) % 10)
    given = {"batch_size": batch_size, "optimizer": gn.GradientDescent(0.01)}
    layers = [gn.Dense(64, "sigmoid"), gn.Dense(10, "softmax")]
    nets = [gn.Network(layers, inputs=132, seed=0, backend="cupy") for _ in range(3)]
    nets[0].fit(X, y, epochs=7, **given)
    program = KEPT.program
    assert program.epochs_together > 1
    nets[1].fit(X, y, epochs=7, callbacks=[lambda net, history: None], **given)
    for _ in range(7):
        nets[2].fit(X, y, epochs=1, **given)
        assert KEPT.program is program
    ended = [
        np.concatenate([cupy.asnumpy(p).ravel() for pair in net.parameters for p in pair]) for net in nets
    ]
    assert np.array_equal(ended[0], ended[1]) and np.array_equal(ended[0], ended[2])


@pytest.mark.parametrize(("precision", "low", "high"), [("tf32", 2e-5, 2e-3), ("bfloat16", 2e-4, 2e-2)])
@pytest.mark.parametrize("m", [1000, 20_000])
def test_gradients_of_lower_precision(m, precision, low, high, cupy):
    for error in gradient_errors(m, precision, cupy)[:2]:  # those of layers with products
        assert low < error < high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inputs", [11, 784])
@pytest.mark.parametrize("network", NETWORKS)
def test_prediction(network, inputs, dtype, cupy):
    plan = plan_of(network, DESCENTS["plain"], 1, dtype, examples=500, inputs=inputs)
    state, epoch = draw(plan)
    rows = np.ascontiguousarray(epoch.X.T)
    predict = Predictor(list(plan.activations), map_arrays(cupy.asarray, state.parameters))
    wide = map_arrays(lambda a: a.astype("float64"), (state.parameters, rows))
    wanted, _ = forward(xp, plan.activations, wide[0], wide[1].T)
    near = 3e-5 if dtype == "float32" else 1e-12
    for m in (1, 2, 5, FEW, FEW + 1, 300, 500):
        found = [cupy.asnumpy(predict(cupy.asarray(rows[:m])))]
        if m <= predict.host_rows:
            found.append(predict.from_host(rows[:m]))
        for A in found:
            np.testing.assert_allclose(A, wanted.T[:m], rtol=near, atol=near)
        spoiled = rows[:m].copy()
        for value in (np.nan, np.inf, -np.inf):
            spoiled[m - 1, inputs - 1] = value
            assert predict(cupy.asarray(spoiled)) is None
            assert m > predict.host_rows or predict.from_host(spoiled) is None


@pytest.mark.parametrize("batch_size", [1, 50, None])
def test_tensors_of_torch_on_the_same_gpu(batch_size, cupy, rng, monkeypatch):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch has no CUDA")
    X, y = rng.normal(size=(300, 11)).astype("float32"), rng.integers(0, 3, 300)
    layers = gn.Dense(16, "relu"), gn.Dense(3, "softmax")
    nets = [small_network("cupy", *layers, inputs=11) for _ in range(2)]
    nets[0].fit(cupy.asarray(X), cupy.asarray(y), batch_size=batch_size, epochs=3)
    expected = nets[0].predict(X)
    rows, targets = (torch.from_numpy(one).cuda() for one in (X, y))
    moved = type(gn.get_backend("torch"))
    monkeypatch.setattr(moved, "to_host", lambda *_: pytest.fail("tensors went to the host"))
    monkeypatch.setattr(moved, "from_host", lambda *_: pytest.fail("outputs came from the host"))
    nets[1].fit(rows, targets, batch_size=batch_size, epochs=3)
    A = nets[1].predict(rows)
    assert nets[1].placement.backend.name == "cupy"
    assert isinstance(A, torch.Tensor)
    assert A.device == rows.device
    np.testing.assert_array_equal(A.cpu().numpy(), expected)


@pytest.mark.parametrize("m", [1, 3, 100, 10_000])
def test_predictions_of_a_network(m, cupy, rng):
    """Host rows and device rows, before and after training, and what is not finite."""
    rows = rng.standard_normal((m, 784)).astype("float32")
    net = gn.Network([gn.Dense(256, "sigmoid"), gn.Dense(10, "softmax")], inputs=784, seed=0, backend="cupy")
    for _ in range(2):
        on_host = gn.Network([*net.layers], inputs=784, seed=1, backend="numpy")
        on_host.set_parameters([(cupy.asnumpy(W), cupy.asnumpy(b)) for W, b in net.parameters])
        wanted = on_host.predict(rows)
        A, B = net.predict(rows), net.predict(cupy.asarray(rows))
        assert type(A) is np.ndarray and isinstance(B, cupy.ndarray)
        for found in (A, cupy.asnumpy(B)):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        net.fit(rng.random((64, 784), dtype="float32"), np.arange(64) % 10, epochs=1)
    rows[m - 1, 7] = np.inf
    for X in (rows, cupy.asarray(rows)):
        with pytest.raises(ValueError, match=f"NaN, infinity .* row {m - 1}"):
            net.predict(X)


def test_predictions_in_threads(cupy, rng):
    rows = rng.standard_normal((64, 784)).astype("float32")
    net = gn.Network([gn.Dense(256, "relu"), gn.Dense(10, "softmax")], inputs=784, seed=0, backend="cupy")
    wanted = net.predict(rows)

    def check(i):
        m = 1 + i % 5
        with cupy.cuda.Stream(non_blocking=True):
            return np.allclose(net.predict(rows[i % 50 :][:m]), wanted[i % 50 :][:m], rtol=1e-4, atol=1e-6)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))


@pytest.mark.parametrize("batch_size", [1, 50])
def test_a_stream_is_the_run_in_memory(batch_size, cupy, tmp_path, monkeypatch):
    """Blocks are copied while kernels run, into memory of blocks that were used before."""
    m, n = 20_000, 300
    small_blocks(monkeypatch, 500, 4, n)
    monkeypatch.setattr("gpunet_cupy.transfer.PIECE", 100_000)
    rng = np.random.default_rng(0)
    X, y, weights = rng.random((m, n), dtype=np.float32), rng.integers(0, 10, m), rng.random(m)
    one, two = (
        small_network("cupy", gn.Dense(64, "tanh"), gn.Dense(10, "softmax"), inputs=n) for _ in range(2)
    )
    options = {"optimizer": gn.GradientDescent(0.01, 0.9), "batch_size": batch_size}
    one.fit(mapped(tmp_path, "X", X), y, epochs=3, sample_weight=weights, **options)
    for epoch in range(3):
        order = used_order(m, 500, 4, 0, epoch)
        two.fit(X[order], y[order], epochs=1, sample_weight=weights[order], shuffle=False, **options)
    close(one, two, rtol=1e-4)
    assert one.history.program == two.history.program


def free_blocks(cupy, pool):
    """Arrays in all free blocks of a pool that may get no more memory."""
    taken, size = [], pool.free_bytes()
    while size >= 512:  # bytes, the pool's unit
        try:
            taken.append(cupy.empty(size, dtype=np.uint8))
        except MemoryError:
            size //= 2
    return taken


@pytest.mark.parametrize("batch_size", [1, 100, 1000, None])
def test_a_limit_of_memory(batch_size, cupy, rng):
    """Training and prediction end in gpunet's error, the network is as it was, and goes on once there is memory."""
    X = cupy.asarray(rng.standard_normal((100_000, 100)).astype("float32"))
    y = cupy.asarray(np.arange(100_000) % 10)
    layers = [gn.Dense(64, "sigmoid"), gn.Dense(10, "softmax")]
    net, twin = (gn.Network(layers, inputs=100, seed=0, backend="cupy") for _ in range(2))
    fit = {"optimizer": gn.GradientDescent(0.01, 0.9), "batch_size": batch_size, "epochs": 1}
    net.fit(X, y, **fit)
    twin.fit(X, y, **fit)
    before = numbers(map_arrays(cupy.asnumpy, net.parameters))
    pool, KEPT.program = cupy.get_default_memory_pool(), None
    pool.free_all_blocks()
    pool.set_limit(size=pool.total_bytes())
    taken = free_blocks(cupy, pool)  # else a run might find room in what is left of a block
    pool.set_limit(size=pool.total_bytes() + 100_000)
    try:
        with pytest.raises(gn.OutOfMemory, match="keeps the weights it had"):
            net.fit(X, y, **fit)
        with pytest.raises(gn.OutOfMemory, match="fewer rows"):
            net.predict(X)
    finally:
        del taken
        pool.set_limit(size=0)
    assert np.array_equal(numbers(map_arrays(cupy.asnumpy, net.parameters)), before)
    for one in (net, twin):
        one.fit(X, y, **fit)
    found, wanted = (numbers(map_arrays(cupy.asnumpy, one.parameters)) for one in (net, twin))
    assert np.array_equal(found, wanted) and not np.array_equal(found, before)
    assert net.predict(X).shape == (100_000, 10)


@pytest.mark.parametrize("what", ["nan", "inf", "class", "fraction"])
@pytest.mark.parametrize("batch_size", [1, 32, 1000])
def test_bad_examples(what, batch_size, cupy, rng):
    """Found by the kernel that checks them; the error names the row, and the network is as it was."""
    X = rng.standard_normal((3000, 131)).astype("float32")
    y = np.arange(3000) % 10 + (0.0 if what == "fraction" else 0)
    net = gn.Network([gn.Dense(64, "sigmoid"), gn.Dense(10, "softmax")], seed=0, backend="cupy")
    fit = {"optimizer": gn.GradientDescent(0.01, 0.9), "batch_size": batch_size, "epochs": 1}
    net.fit(cupy.asarray(X), cupy.asarray(y), **fit)
    before, history = numbers(map_arrays(cupy.asnumpy, net.parameters)), net.history
    if what in ("nan", "inf"):
        X[2345, 130] = float(what)
    else:
        y[2345] = {"class": 10, "fraction": 0.5}[what]
    with pytest.raises(ValueError, match="row 2345"):
        net.fit(cupy.asarray(X), cupy.asarray(y), **fit)
    assert np.array_equal(numbers(map_arrays(cupy.asnumpy, net.parameters)), before)
    assert net.history is history


def test_the_names_and_parameters_of_cupy(cupy):
    """Those of the stand-in, which all other tests rely on."""
    import cupy.cublas
    import cupy.cuda.nccl

    wrong = {}
    for name in (*SIGNATURES, *NAMES):
        if name.startswith("cuda.nccl.") and not cupy.cuda.nccl.available:
            continue
        try:
            found = parameters_of(attribute(cupy, name))
        except AttributeError:
            wrong[name] = "is not there"
            continue
        if name in SIGNATURES and found not in (None, names(SIGNATURES[name])):
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nccl_with_one_rank(dtype, cupy):
    """Which sends to itself."""
    communicator = NCCL("cuda:0")
    if communicator.unavailable_reason() is not None:
        pytest.skip(communicator.unavailable_reason())
    communicator.connect(communicator.new_id(), 0, 1)
    assert re.fullmatch(r"NCCL \d+\.\d+\.\d+", communicator.name) and communicator.address()
    sent, received = cupy.arange(1000, dtype=dtype), cupy.zeros(1000, dtype=dtype)
    for _ in range(5):
        received.fill(0)
        with communicator._queued():
            communicator._send(sent[3:], 0)
            communicator._receive(received[:-3], 0)
        assert len(communicator.events) <= QUEUED
    communicator.wait()
    assert not communicator.events
    assert np.array_equal(cupy.asnumpy(received), [*range(3, 1000), 0, 0, 0])
    assert cupy.asnumpy(communicator.spread(sent, [1000])).tolist() == list(range(1000))
    [[one, two]] = communicator.exchange([sent, received], [slice(0, 1000)], [2])
    assert cupy.asnumpy(one)[999] == 999 and cupy.asnumpy(two)[0] == 3


TARGET_TYPES = ("bool", "uint8", "int16", "int32", "uint64", "float32")


@pytest.mark.parametrize("dtype", TARGET_TYPES)
def test_checks_and_class_numbers(dtype, cupy):
    """The kernels around the epochs of a run, on vectors of four values and on single ones."""
    units = 2 if dtype == "bool" else 3
    reach = Reach(True, 0, units - 1)
    for m, n in ((5000, 132), (4999, 131)):
        X = cupy.asarray(np.random.default_rng(0).standard_normal((m, n)), dtype="float32")
        y = cupy.asarray(np.arange(m) % units).astype(dtype)
        good, size = checks.begin_check(X, y, reach, 7)()
        assert good and size == pytest.approx(float(cupy.abs(X[::7]).mean()), rel=1e-5)
        assert cupy.asnumpy(checks.one_hot(y, units, "float32")).argmax(axis=1).tolist() == y.tolist()
        X[m - 1, n - 1] = np.inf
        assert not checks.begin_check(X, y, reach, 7)().good
        X[m - 1, n - 1], y[4321] = 0, 1
        assert checks.begin_check(X, y, reach, 7)().good
        if units == 3:
            y[4321] = 3
            assert not checks.begin_check(None, y, reach, 7)().good


@pytest.mark.parametrize("count", [1, 300, 100_000])
def test_losses_and_finite_parameters(count, cupy):
    theta = cupy.arange(count + 7, dtype="float32")
    parts, losses = [theta[:count], theta[count:]], cupy.arange(500, dtype="float32")
    read, finite = checks.losses_and_finite(losses, parts[::-1])
    assert finite and read.tolist() == list(range(500))
    for at in (0, count - 1, count + 6):
        theta[at] = np.nan
        assert not checks.losses_and_finite(losses, parts)[1]
        theta[at] = 0
