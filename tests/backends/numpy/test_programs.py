"""Every faster program of the NumPy backend computes what the reference computes.

Random plans: layers, activations, losses, optimizers, batch sizes, weights, and the edges of batches, blocks and
pieces. Same parameters, data and order for both; float64 to rounding, float32 to a few units of it.
"""

import dataclasses
import itertools

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference
from gpunet_numpy.blocks import Blocks as PlainBlocks
from gpunet_numpy.chunks import Chunks

NETWORKS = {
    "sigmoid-softmax": (("sigmoid", "softmax"), "cross_entropy"),
    "relu-tanh-sigmoid": (("relu", "tanh", "sigmoid"), "logistic"),
    "linear": (("identity",), "squared_error"),
    "softmax": (("softmax",), "cross_entropy"),
    "deep-absolute": (("leaky_relu", "tanh", "relu", "identity"), "absolute_error"),
    "saturating-squares": (("tanh", "sigmoid"), "squared_error"),
}
DESCENTS = {
    "plain": gn.GradientDescent(0.05),
    "momentum": gn.GradientDescent(0.05, 0.9),
    "decay": gn.GradientDescent(0.05, weight_decay=0.1),
    "all": gn.GradientDescent(gn.Cosine(0.05), 0.9, weight_decay=0.01),
    "nesterov": gn.GradientDescent(gn.Cosine(0.05), 0.9, nesterov=True, weight_decay=0.01),
}
OTHERS = {
    "adam": gn.Adam(0.01),
    "adamw": gn.AdamW(gn.Cosine(0.01)),
    "rmsprop": gn.RMSprop(0.01, weight_decay=0.01),
}
EXAMPLES = 150


def plan_of(network, optimizer, batch_size, dtype="float64", weighted=False, seed=0):
    activations, loss = NETWORKS[network]
    rng = np.random.default_rng(seed)
    sizes = [37, *(int(n) for n in rng.integers(1, 10, len(activations)))]
    if len(sizes) > 2:
        sizes[1] = int(rng.integers(20, 60))  # several threads' worth of neurons
    if activations[-1] == "softmax":
        sizes[-1] = max(sizes[-1], 2)
    layers = tuple(Layer(sizes[l], sizes[l + 1], name) for l, name in enumerate(activations))
    return Plan(layers, loss, optimizer, EXAMPLES, batch_size, dtype, weighted)


def arguments(plan, shuffled=True, seed=0, alike=0.0, offset=0.0):
    """Parameters, state and data of a plan, drawn with a seed, as a program takes them.

    In X, a share `alike` of every feature has one value, from 0 to `offset`.
    """
    rng = np.random.default_rng([seed, plan.batch_size])
    m, k = plan.examples, plan.layers[-1].units

    def draw(*shape):
        return rng.standard_normal(shape).astype(plan.dtype)

    parameters = [
        (draw(l.units, l.inputs) / np.sqrt(l.inputs).astype(plan.dtype), draw(l.units, 1))
        for l in plan.layers
    ]
    slots = plan.optimizer.slots
    state = [
        tuple(tuple(np.abs(draw(*p.shape)) / 100 for _ in range(slots)) for p in pair) for pair in parameters
    ]
    rows = {
        "cross_entropy": lambda: np.eye(k)[rng.integers(0, k, m)],
        "logistic": lambda: rng.integers(0, 2, (m, k)),
    }.get(plan.loss, lambda: draw(m, k))()
    X, Y = draw(m, plan.layers[0].inputs), np.ascontiguousarray(rows, dtype=plan.dtype)
    X = np.where(rng.random(X.shape) < alike, np.linspace(0, offset, X.shape[1]), X).astype(plan.dtype)
    weights = rng.uniform(0.5, 2.0, (1, m)).astype(plan.dtype) if plan.weighted else None
    order = rng.permutation(m).astype(np.int32) if shuffled else None
    steps = [plan.optimizer.coefficients(i, 100, i) for i in range(plan.steps)]
    return parameters, state, X.T, Y.T, weights, order, np.array(steps, dtype=plan.dtype), None


def flat(value):
    """All numbers of a nest of tuples, lists and arrays."""
    if isinstance(value, tuple | list):
        return np.concatenate([flat(one) for one in value] or [np.empty(0)])
    return np.asarray(value, dtype="float64").ravel()


DENSE, ZEROS, STANDARDISED = {}, {"alike": 0.8}, {"alike": 0.8, "offset": -0.6}


def check(program, plan, shuffled=True, data=DENSE):
    given = arguments(plan, shuffled, **data)
    before = flat(given[:2])
    with np.errstate(all="ignore"):  # as in `fit`: OpenBLAS sets flags for what lies beside its operands
        got, wanted = program(plan)(*given), Reference(xp, plan)(*given)
    assert np.array_equal(flat(given[:2]), before), "a program changed what it was given"
    tolerance = 1e-10 if plan.dtype == "float64" else 3e-5
    for name, a, b in zip(("parameters", "state", "losses"), got, wanted, strict=True):
        a, b = flat(a), flat(b)
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance), (name, np.abs(a - b).max())
    assert all(p.dtype == plan.dtype for pair in got[0] for p in pair)
    assert got[2].dtype == plan.dtype


def compiled():
    """The compiled programs for batches and blocks."""
    from gpunet_numpy.compiled import batch_program, block_program

    return batch_program, block_program


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("descent", DESCENTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_blocks_in_plain_numpy(network, descent, batch_size):
    for weighted in (False, True):
        plan = plan_of(network, DESCENTS[descent], batch_size, weighted=weighted)
        assert PlainBlocks.unsupported_reason(plan) is None
        check(PlainBlocks, plan)


@pytest.mark.parametrize("name", ["gelu", "softplus", "silu", "mish", "elu", "selu"])
def test_plain_blocks_take_any_activation(name):
    plan = Plan(
        (Layer(7, 5, name), Layer(5, 4, name), Layer(4, 3, "softmax")),
        "cross_entropy",
        gn.GradientDescent(0.1, 0.5),
        EXAMPLES,
        2,
        "float64",
    )
    check(PlainBlocks, plan)


@pytest.mark.parametrize("optimizer", [*DESCENTS.values(), *OTHERS.values()], ids=str)
def test_chunks(optimizer, monkeypatch):
    monkeypatch.setattr("gpunet_numpy.chunks.CHUNK", 32)
    monkeypatch.setattr("gpunet_numpy.chunks.NUMBERS", 0)
    for batch_size in (50, 64, EXAMPLES):
        plan = plan_of("relu-tanh-sigmoid", optimizer, batch_size, weighted=True)
        check(Chunks, plan)
        check(Chunks, plan, shuffled=False)


def on_threads(monkeypatch, count):
    """Run the compiled programs on so many threads, however few neurons there are for them."""
    batch_program, block_program = compiled()
    for place in (batch_program, block_program):
        monkeypatch.setattr(place, "threads", lambda: count)
        monkeypatch.setattr(place, "NEURONS", 1)
    monkeypatch.setattr(batch_program, "WORK", 1)
    monkeypatch.setattr(batch_program, "EXAMPLES", 1)
    return batch_program, block_program


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 3, 8, 16])
@pytest.mark.parametrize("descent", ["plain", "momentum", "decay", "all"])
@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_blocks(network, descent, batch_size, dtype, monkeypatch, with_numba):
    _, block_program = on_threads(monkeypatch, 2)
    for weighted, data in ((False, DENSE), (True, DENSE), (True, ZEROS), (True, STANDARDISED)):
        plan = plan_of(network, DESCENTS[descent], batch_size, dtype, weighted)
        assert block_program.Blocks.unsupported_reason(plan) is None
        check(block_program.Blocks, plan, data=data)
        check(block_program.Blocks, plan, shuffled=False, data=data)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 32, 100, EXAMPLES])
@pytest.mark.parametrize("optimizer", [*DESCENTS.values(), *OTHERS.values()], ids=[*DESCENTS, *OTHERS])
@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_batches(network, optimizer, batch_size, dtype, monkeypatch, with_numba):
    batch_program, _ = on_threads(monkeypatch, 2)
    for neurons, weighted, data in itertools.product((1, 1000), (False, True), (DENSE, ZEROS, STANDARDISED)):
        monkeypatch.setattr(batch_program, "NEURONS", neurons)  # shared out or not
        plan = plan_of(network, optimizer, batch_size, dtype, weighted)
        check(batch_program.Batches, plan, data=data)
        with monkeypatch.context() as smaller:  # larger batches come in pieces
            smaller.setattr(batch_program, "PIECE", 32)
            smaller.setattr(batch_program, "FEWEST", 32)
            smaller.setattr(batch_program, "SPARSE_PIECE", 80)
            check(batch_program.Batches, plan, shuffled=False, data=data)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("descent", ["plain", "momentum", "decay", "all"])
@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_steps(network, descent, batch_size, dtype, with_numba):
    from gpunet_numpy.compiled.step_program import Steps

    for weighted in (False, True):
        plan = plan_of(network, DESCENTS[descent], batch_size, dtype, weighted)
        check(Steps, plan)
        check(Steps, plan, shuffled=False)


def test_float32_is_as_exact_as_matrix_products_are(with_numba):
    """Small steps of large weights: what is added to a weight must be summed before, not bit by bit into it."""
    batch_program, _ = compiled()
    layers = (Layer(300, 64, "sigmoid"), Layer(64, 3, "softmax"))
    plan = Plan(layers, "cross_entropy", gn.GradientDescent(1e-3), 4096, 128)
    given = arguments(plan, **ZEROS)
    wide = [[tuple(p.astype("float64") for p in pair) for pair in given[0]], given[1]]
    wide += [a if a is None or a.dtype == "int32" else a.astype("float64") for a in given[2:7]]
    exact = flat(Reference(xp, dataclasses.replace(plan, dtype="float64"))(*wide, None)[0])
    way = np.linalg.norm(exact - flat(given[0]))
    programs = (batch_program.Batches(plan), Reference(xp, plan))
    ours, theirs = (np.linalg.norm(flat(program(*given)[0]) - exact) / way for program in programs)
    assert ours < 2 * theirs


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_threads(count, monkeypatch, with_numba):
    """More threads than neurons, examples or processors: still the same updates."""
    batch_program, block_program = on_threads(monkeypatch, count)
    for data in (DENSE, ZEROS, STANDARDISED):
        for network in ("sigmoid-softmax", "deep-absolute"):
            check(batch_program.Batches, plan_of(network, DESCENTS["momentum"], 20), data=data)
            check(block_program.Blocks, plan_of(network, DESCENTS["momentum"], 1), data=data)
            check(block_program.Blocks, plan_of(network, DESCENTS["plain"], 4), data=data)


@pytest.mark.parametrize("alike", [0.7, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("features", [1, 15, 16, 17, 64, 200])
def test_examples_as_lists(features, offset, alike, with_numba):
    """Any number of features, and examples and features that are 0 altogether."""
    batch_program, block_program = compiled()
    layers = (Layer(features, 40, "tanh"), Layer(40, 3, "softmax"))
    for batch_size, program in ((1, block_program.Blocks), (70, batch_program.Batches)):
        for dtype in ("float32", "float64"):
            plan = Plan(layers, "cross_entropy", DESCENTS["all"], EXAMPLES, batch_size, dtype)
            check(program, plan, data={"alike": alike, "offset": offset})


def test_a_run_repeats_bit_for_bit(with_numba):
    batch_program, block_program = compiled()
    programs = ((batch_program.Batches, 32), (block_program.Blocks, 1), (PlainBlocks, 1))
    for (program, size), data in itertools.product(programs, (DENSE, ZEROS, STANDARDISED)):
        plan = plan_of("relu-tanh-sigmoid", DESCENTS["momentum"], size, "float32")
        first, second = (flat(program(plan)(*arguments(plan, **data))) for _ in range(2))
        assert np.array_equal(first, second)


def test_history_says_which_program_ran_and_why():
    X, y = np.zeros((40, 3), "float32"), np.arange(40) % 2
    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    assert net.fit(X, y, batch_size=1, epochs=1).program == "numpy blocks"
    history = net.fit(X, y, optimizer=gn.Adam(), batch_size=1, epochs=1)
    assert history.program == "reference"
    assert "Adam is not linear in the gradient" in history.reason


def test_large_plans_are_compiled_and_others_say_why(with_numba):
    backend = gn.get_backend("numpy")
    layers = (Layer(784, 256, "sigmoid"), Layer(256, 10, "softmax"))

    def chosen(batch_size, optimizer=DESCENTS["plain"], layers=layers, loss="cross_entropy"):
        plan = Plan(layers, loss, optimizer, 60_000, batch_size)
        program = backend.compile(plan, "cpu")
        return None if program is None else program.name

    assert chosen(1) == "compiled blocks"
    assert chosen(1, layers=(Layer(256, 1, "sigmoid"),), loss="logistic") == "compiled steps"
    assert chosen(128) == "compiled batches"
    assert chosen(60_000, OTHERS["adam"]) == "compiled batches"
    assert chosen(1000, layers=(Layer(784, 256, "gelu"), layers[1])) == "numpy chunks"
    assert chosen(128, gn.Adam(clip_norm=1.0)) is None
    # Threads share out the neurons of a layer, and softmax couples them.
    assert chosen(128, layers=(Layer(784, 256, "softmax"), layers[1])) is None
    assert chosen(1, layers=(Layer(784, 256, "softmax"), layers[1])) == "numpy blocks"


def test_short_epochs_are_compiled_when_a_run_goes_on(with_numba):
    rng = np.random.default_rng(0)
    X, y = rng.random((2000, 20), dtype="float32"), rng.integers(0, 2, 2000)
    plan = {"optimizer": gn.GradientDescent(0.1, 0.5), "batch_size": 50, "epochs": 400}

    def fit():
        net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
        return net.fit(X, y, **plan)

    history = fit()
    assert history.program == "reference, then compiled steps"
    assert "if it goes on" in history.reason
    assert fit().loss == history.loss  # at the same epoch each time


def test_without_numba_plain_programs_run(monkeypatch):
    monkeypatch.setattr("gpunet_numpy.fast.missing", lambda: "numba is not installed")
    layers = (Layer(784, 256, "sigmoid"), Layer(256, 10, "softmax"))
    plan = Plan(layers, "cross_entropy", DESCENTS["plain"], 60_000, 1)
    assert gn.get_backend("numpy").compile(plan, "cpu").name == "numpy blocks"
    many = Plan(layers, "cross_entropy", DESCENTS["plain"], 60_000, 128)
    assert gn.get_backend("numpy").compile(many, "cpu") is None
    assert "numba is not installed" in gn.get_backend("numpy").unsupported_reason(many)


def test_non_finite_numbers_come_through(with_numba):
    """Divergence must show: kernels may reorder sums, but not lose NaN."""
    batch_program, block_program = compiled()
    for program, size in ((batch_program.Batches, 50), (block_program.Blocks, 1)):
        plan = plan_of("sigmoid-softmax", DESCENTS["plain"], size, "float32")
        given = list(arguments(plan))
        W, b = given[0][0]
        given[0][0] = (np.full_like(W, np.nan), b)
        assert np.isnan(program(plan)(*given)[2]).any()
