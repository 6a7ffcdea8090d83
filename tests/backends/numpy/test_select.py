"""Which program runs which plan, and what is said about it."""

import importlib
from dataclasses import dataclass, replace

import numpy as np
import pytest

import gpunet as gn
from compile_children import Child
from gpunet.core.plan import Layer, Plan
from gpunet_numpy import compiling, select
from gpunet_numpy.compiling import COMPILING
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.estimate import epoch_seconds
from gpunet_numpy.plain.reference import PlainReference
from gpunet_numpy.tiered import Tiered
from random_plans import DESCENTS, OTHERS, differences, draw, numbers, plan_of

LAYERS = (Layer(784, 256, "sigmoid"), Layer(256, 10, "softmax"))
SQUARE = gn.Activation("square", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * Z * dA)


def chosen(batch_size, optimizer=DESCENTS["plain"], layers=LAYERS, loss="cross_entropy"):
    plan = Plan(layers, loss, optimizer, 60_000, batch_size)
    program, reason = gn.get_backend("numpy").program_for(plan, "cpu")
    return None if program is None else program.name, reason


def test_history_says_which_program_ran_and_why(monkeypatch):
    X, y = np.zeros((40, 3), "float32"), np.arange(40) % 2
    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    sgd = net.fit(X, y, optimizer=gn.GradientDescent(), batch_size=1, epochs=1)
    assert sgd.program == "numpy blocked SGD"
    history = net.fit(X, y, optimizer=gn.Adam(), batch_size=1, epochs=1)
    assert history.program == "reference"
    assert "Adam is not linear in the gradient" in history.reason


def test_large_plans_are_compiled_and_others_say_why(with_numba):
    assert chosen(1)[0] == "compiled blocked SGD"
    assert chosen(1, layers=(Layer(256, 1, "sigmoid"),), loss="logistic")[0] == "compiled tiny network"
    assert chosen(128)[0] == "compiled mini-batch"
    assert chosen(60_000, OTHERS["adam"])[0] == "compiled mini-batch"
    assert chosen(1, OTHERS["adam"])[0] == "compiled mini-batch"
    assert chosen(1, DESCENTS["nesterov"])[0] == "compiled mini-batch"
    for dropped in ((0.0, 0.5), (0.2, 0.5)):
        layers = tuple(replace(layer, dropout=rate) for layer, rate in zip(LAYERS, dropped, strict=True))
        assert {chosen(batch, layers=layers)[0] for batch in (1, 128, 60_000)} == {"compiled mini-batch"}
    gelu = (Layer(784, 256, "gelu"), LAYERS[1])
    assert {chosen(batch, layers=gelu)[0] for batch in (1, 128, 60_000)} == {"compiled mini-batch"}
    square = (Layer(784, 256, SQUARE), LAYERS[1])
    assert chosen(1000, layers=square)[0] == "numpy gradient accumulation"
    assert chosen(128, layers=square) == (
        "reference",
        "compiled columns: square has no compiled form; compiled tiny network: square has no compiled form; "
        "compiled blocked SGD: square has no compiled form; compiled mini-batch: square has no compiled form; "
        "numpy blocked SGD: batches above 16 are matrix products "
        "already; numpy gradient accumulation: a batch of 128 fits in one chunk",
    )
    assert chosen(128, gn.Adam(clip_norm=1.0))[0] == "compiled mini-batch"
    assert chosen(1, gn.GradientDescent(clip_norm=1.0))[0] == "compiled mini-batch"
    # Neurons of a layer belong to several threads, and softmax couples them.
    coupled = (Layer(784, 256, "softmax"), LAYERS[1])
    assert chosen(128, layers=coupled)[0] == "reference"
    assert chosen(1, layers=coupled)[0] == "numpy blocked SGD"


@pytest.mark.parametrize(
    ("layers", "loss", "words"),
    [
        ((Layer(784, 256, "relu"), Layer(256, 10, "softmax")), "squared_error", "softmax with squared_error"),
        ((Layer(784, 256, "relu"), Layer(256, 10, "tanh")), "logistic", "tanh with logistic"),
        ((Layer(784, 256, "relu"), Layer(256, 1, "tanh", trainable=False)), "squared_error", "frozen layers"),
    ],
)
def test_what_has_no_compiled_form(layers, loss, words, with_numba):
    name, reason = chosen(128, layers=layers, loss=loss)
    assert name == "reference"
    assert words in reason


def test_programs_for_plans_at_their_limits(with_numba):
    from gpunet_numpy.compiled.blocked.program import Blocked as CompiledBlocked
    from gpunet_numpy.compiled.tiny.program import Tiny

    def plan(layers, batch_size):
        return Plan(layers, "squared_error", DESCENTS["plain"], 100, batch_size)

    assert Tiny.unsupported_reason(plan((Layer(8192, 1, "tanh"),), 2)) is None
    assert "matrix products" in Tiny.unsupported_reason(plan((Layer(8193, 1, "tanh"),), 1))
    assert "matrix products" in Tiny.unsupported_reason(plan((Layer(8192, 1, "tanh"),), 3))
    assert CompiledBlocked.unsupported_reason(plan((Layer(9, 9, "tanh"),), 16)) is None
    assert "above 16" in CompiledBlocked.unsupported_reason(plan((Layer(9, 9, "tanh"),), 17))
    deep = (Layer(9, 600, "tanh"), Layer(600, 600, "tanh"), Layer(600, 501, "tanh"))
    assert "too large" in CompiledBlocked.unsupported_reason(plan(deep, 1))


@dataclass(frozen=True)
class Signs(gn.GradientDescent):
    """Follows the sign of the gradient."""

    def update(self, xp, theta, gradient, slots, c):
        return theta - c[0] * xp.sign(gradient), ()


@dataclass(frozen=True)
class OwnAdam(gn.Adam):
    """A user's own rule by way of inheritance."""


@dataclass(frozen=True)
class OwnRMSprop(gn.RMSprop):
    """Likewise."""


@pytest.mark.parametrize("optimizer", [Signs(0.1), OwnAdam(), OwnRMSprop()], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("batch_size", [1, 128])
def test_a_subclass_of_an_optimizer_is_never_taken_for_its_parent(optimizer, batch_size, with_numba):
    name, reason = chosen(batch_size, optimizer)
    assert name == "reference"
    assert type(optimizer).__name__ in reason
    assert chosen(1, optimizer, layers=(Layer(5, 1, "sigmoid"),), loss="logistic")[0] == "reference"
    assert chosen(1000, optimizer)[0] == "numpy gradient accumulation"  # which calls its update


def test_adamw_is_adam(with_numba):
    assert chosen(128, gn.AdamW())[0] == "compiled mini-batch"


def test_short_epochs_begin_compiled_where_there_is_code(with_numba, started, monkeypatch):
    plan = Plan((Layer(20, 4, "tanh"), Layer(4, 1, "identity")), "squared_error", gn.Adam(), 200, 200)
    program, reason = select.program_for(plan)
    assert isinstance(program, Tiered)
    assert "once the run has lasted 0.3 s" in reason
    assert program.plain_epochs > 1000
    assert not started  # the run may be over before it is worth it
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: True)
    assert select.program_for(plan)[0].name == "compiled columns"


def test_short_epochs_are_compiled_when_a_run_goes_on(with_numba, started):
    rng = np.random.default_rng(0)
    X, y = rng.random((2000, 20), dtype="float32"), rng.integers(0, 2, 2000)
    plan = {"optimizer": gn.GradientDescent(0.1, 0.5), "batch_size": 50, "epochs": 400}

    def fit():
        net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
        return net.fit(X, y, **plan)

    started.make = lambda: Child(0)  # ready at once
    history = fit()
    assert history.program == "reference, then compiled columns"
    assert "once the run has lasted" in history.reason
    assert len(started) == 1


def test_a_tiered_program_changes_once_and_counts_chunks_of_epochs():
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 5)
    seconds = 1.2 * epoch_seconds(plan)
    tried = []

    def compiled_program(plan):
        tried.append(plan)
        return Blocked, ""

    program = Tiered(plan, Accumulation, compiled_program, seconds)
    used = [25, 50, 75, 75, 75]
    names = []
    for count in used:
        program(*draw(plan, used=count))
        names.append(program.name)
    first, both = "numpy gradient accumulation", "numpy gradient accumulation, then numpy blocked SGD"
    assert names == [first, first, first, both, both]
    assert tried == [plan]
    expected = Blocked(plan)(*draw(plan))
    assert not differences(plan, program(*draw(plan)), expected)
    without = Tiered(plan, None, lambda plan: (None, "nothing"), seconds)
    for _ in range(4):
        without(*draw(plan))
    assert without.name == "reference"


class Slower(PlainReference):
    """Takes half steps, and its examples always in an order; two epochs in a call."""

    name = "slower"
    repeats_full_batch = False

    def __init__(self, plan):
        super().__init__(plan)
        self.epochs_together = 2

    def __call__(self, state, inputs):
        used, steps = inputs.examples, len(inputs.coefficients)
        assert steps == self.plan.steps_for(used)
        return super().__call__(state, inputs._replace(coefficients=0.5 * inputs.coefficients))


@pytest.mark.parametrize("batch_size", [15, 5])
@pytest.mark.parametrize("waiting", [0, 3])
def test_epochs_of_a_call_end_where_the_change_is_due(monkeypatch, batch_size, waiting):
    """The same epochs before and after it, however many are run in a call; the first calls may find none compiled."""
    from gpunet_numpy import tiered
    from gpunet_numpy.plain import reference

    def run(together, epochs=30):
        monkeypatch.setattr(reference, "epochs_together", lambda plan: together)
        plan = plan_of("relu-tanh-sigmoid", DESCENTS["momentum"], batch_size, "float32", examples=15)
        answers = iter([(None, COMPILING)] * waiting)
        program = Tiered(plan, None, lambda plan: next(answers, (Slower, "")), 7 * epoch_seconds(plan))
        monkeypatch.setattr(tiered, "PART_SECONDS", epoch_seconds(plan))
        (state, inputs), losses, calls = draw(plan, shuffled=False), [], []
        while epochs:
            count = min(program.epochs_together, epochs)
            full = program.repeats_full_batch and plan.steps == 1
            given = inputs._replace(
                order=None if full or count == 1 else np.tile(np.arange(15, dtype=np.int32), count),
                coefficients=np.tile(inputs.coefficients, (count, 1)),
            )
            state, some = program(state, given)
            assert len(some) == count * plan.steps
            losses.append(some)
            calls.append(count)
            epochs -= count
        assert program.name == "reference, then slower"
        return numbers(state), np.concatenate(losses), calls

    expected, expected_losses, calls = run(1)
    assert calls[:7] == [1] * 7 and 2 in calls
    for together, first in ((5, [5, 2]), (3, [3, 3, 1])):
        state, losses, calls = run(together)
        assert calls[: len(first)] == first and 2 in calls
        if not waiting:  # while something compiles, the change comes when it is there
            assert np.array_equal(state, expected) and np.array_equal(losses, expected_losses)


def test_a_call_of_plain_numpy_takes_some_milliseconds():
    """Where an epoch is short; a longer one is a call of its own."""
    tiny = Plan((Layer(24, 8, "relu"), Layer(8, 2, "softmax")), "cross_entropy", gn.Adam(), 200, 200)
    program = PlainReference(tiny)
    assert 2 < program.epochs_together * epoch_seconds(tiny) * 1000 < 10
    assert PlainReference(replace(tiny, batch_size=50)).epochs_together in (24, 25)
    assert PlainReference(replace(tiny, batch_size=1)).epochs_together == 1


def test_with_never_nothing_is_compiled(monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    monkeypatch.setattr(select, "_compiled", lambda: pytest.fail("the compiled programs were loaded"))
    assert chosen(1)[0] == "numpy blocked SGD"
    name, reason = chosen(128)
    assert name == "reference"
    assert "compiled programs: GPUNET_COMPILE=never;" in reason
    plan = Plan((Layer(4, 2, "softmax"),), "cross_entropy", DESCENTS["plain"], 100, 50)  # short epochs
    assert "GPUNET_COMPILE=never" in select.program_for(plan)[1]
    assert select.predictor(("softmax",), [(np.zeros((100, 1000)), np.zeros((100, 1)))]) is None


def test_without_numba_plain_programs_run(monkeypatch):
    monkeypatch.setattr(select, "compiled_unavailable_reason", lambda: "numba is not installed")
    assert chosen(1)[0] == "numpy blocked SGD"
    name, reason = chosen(128)
    assert name == "reference"
    assert "numba is not installed" in reason
    assert select.predictor(("softmax",), [(np.zeros((100, 1000)), np.zeros((100, 1)))]) is None


@pytest.mark.parametrize("error", [ImportError("Numba needs another NumPy"), OSError("no such library")])
def test_numba_that_cannot_be_imported(with_numba, started, monkeypatch, error):
    """A plan is trained in plain NumPy then; what is on disk needs no numba."""
    before = importlib.import_module

    def import_module(name):
        if name.endswith("compiler"):
            raise error
        return before(name)

    compiling.compiler_error.cache_clear()
    monkeypatch.setattr(compiling.importlib, "import_module", import_module)
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    plan = Plan((Layer(20, 4, "tanh"), Layer(4, 1, "identity")), "squared_error", gn.Adam(), 200, 200)
    try:
        program, reason = select.program_for(plan)
        assert program.name == "reference"
        assert f"numba does not work here ({error})" in reason
        monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: True)
        assert select.program_for(plan)[0].name == "compiled columns"
    finally:
        compiling.compiler_error.cache_clear()


def test_llvm_that_cannot_be_loaded(with_numba, monkeypatch):
    def machine():
        raise OSError("no such library")

    monkeypatch.setattr("gpunet_numpy.compiled.cache.machine", machine)
    assert "no such library" in select._missing.__wrapped__()


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(select, "NEEDED", ("numba", "a_library_that_is_not_there"))
    assert "a_library_that_is_not_there is not installed" in select._missing.__wrapped__()


def test_threads_that_cannot_be_started(with_numba, monkeypatch):
    """Plain programs need none."""
    from gpunet_numpy.compiled import pool

    def refused(self, count):
        raise RuntimeError("no more threads can be started")

    monkeypatch.setattr(pool.Pool, "start", refused)
    assert "no more threads can be started" in select._missing.__wrapped__()


def test_unknown_activations_have_no_predictor(with_numba):
    large = [(np.zeros((250, 200), "float32"), np.zeros((250, 1), "float32"))]
    assert select.predictor((SQUARE,), large) is None
    assert select.predictor(("relu",), large) is not None


def test_small_networks_predict_many_rows_by_code_that_is_there(with_numba, monkeypatch):
    """They have nothing compiled, and before the first call with many rows nothing is loaded."""
    looks = []

    def unready(compiled, dtype, start_compiling=True):
        looks.append((compiled.__name__, dtype, start_compiling))
        return "not there" if len(looks) == 1 else None

    small = [(np.ones((10, 10), "float32"), np.zeros((10, 1), "float32"))]
    few, many = (np.ones((m, 10), "float32") for m in (99_999, 100_000))
    with monkeypatch.context() as patch:
        patch.setattr(select, "has_compiled_forward", lambda activations: pytest.fail("it was looked for"))
        predictor = select.predictor(("relu",), small)
        assert predictor(few) is None
    with monkeypatch.context() as patch:
        patch.setattr(select, "has_compiled_forward", lambda activations: False)
        assert predictor(many) is None
    monkeypatch.setattr(select, "unready_reason", unready)
    assert predictor(many) is None and predictor(few) is None
    assert looks == [("Predictor", "float32", False)]
    assert (predictor(many) == 10).all() and predictor(few[:3]).shape == (3, 10)
    assert len(looks) == 2


def test_an_epoch_of_sparse_rows_is_cut_where_the_compiled_program_can_be():
    """Before the change too: the epoch in which it happens has one first call."""
    layers = (Layer(20, 4, "tanh"), Layer(4, 1, "identity"))
    plan = Plan(layers, "squared_error", gn.Adam(), 90, 1)
    for sparse, expected in ((True, 64), (False, 1)):
        tiered = Tiered(replace(plan, sparse=sparse), None, lambda plan: (None, ""), 1.0)
        assert tiered.block_steps == expected
