"""An X of small integers that stays so on the device: the same run, to the bit, as with the numbers cast before it."""

import contextlib
import dataclasses
import itertools

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.integer_columns import SMALL_INTEGERS, IntegerColumns
from gpunet.core.reference import Reference
from gpunet.training.progress import ProgressBar
from integer_inputs import drawn_rows
from small_networks import host, same
from streams import mapped, small_blocks

M, N = 90, 13


class ReadsIntegers(Reference):
    """A program that is given integers, and keeps what it was given."""

    name = "reads integers"
    takes_integers = True
    given: list = []  # noqa: RUF012

    def __call__(self, state, inputs):
        self.given.append(inputs.X)
        return super().__call__(state, inputs)


@pytest.fixture
def reading(monkeypatch):
    """``reading(True)``: from now on NumPy has a program for integers; returns what is given to programs."""
    backend = type(gn.get_backend("numpy"))

    def reading(reads, program=ReadsIntegers):
        monkeypatch.setattr(backend, "reads_integers", reads)
        monkeypatch.setattr(ReadsIntegers, "given", [])
        monkeypatch.setattr(backend, "program_for", lambda self, plan, device: (program(xp, plan), "a test"))
        return ReadsIntegers.given

    return reading


def data(dtype="uint8", shape=(N,), seed=0):
    rng = np.random.default_rng(seed)
    return drawn_rows(M, int(np.prod(shape)), dtype, seed).reshape(M, *shape), rng.integers(0, 3, M)


def trained(reading, reads, X, y, standardizer=None, layers=None, dtype="float32", **fit):
    """A network, its history, and what its program was given."""
    given = reading(reads)
    layers = layers or [gn.Dense(8, "relu"), gn.Dense(3, "softmax")]
    net = gn.Network(layers, seed=3, backend="numpy", dtype=dtype, standardizer=standardizer)
    settings = {"optimizer": gn.Adam(0.01), "epochs": 3, "batch_size": 20} | fit
    history = net.fit(X, y, **settings)
    return net, history, list(given)


def same_runs(one, other):
    """Whether two results of `trained` are equal to the bit."""
    (net, history, _), (net_2, history_2, _) = one, other
    names = ("loss", "val_loss", "val_accuracy", "learning_rate")
    assert all(getattr(history, name) == getattr(history_2, name) for name in names)
    assert np.isfinite(history.loss).all()
    return same(net, net_2)


STANDARDIZERS = {
    "feature": lambda: gn.Standardizer(),
    "set": lambda: gn.Standardizer("set"),
    "no center": lambda: gn.Standardizer(center=False),
}


@pytest.mark.parametrize("standardizer", STANDARDIZERS)
@pytest.mark.parametrize("dtype", SMALL_INTEGERS)
def test_standardized(dtype, standardizer, reading):
    X, y = data(dtype, (4, 4) if dtype == "uint8" else (N,))
    held = (X[:30], y[:30])
    turn = SMALL_INTEGERS.index(dtype) + list(STANDARDIZERS).index(standardizer)
    fit = [{}, {"validation_fraction": 0.3}, {"validation_data": held}, {"batch_size": None}][turn % 4]
    numbers = ("float32", "float64")[turn % 2]
    runs = [
        trained(reading, reads, X, y, STANDARDIZERS[standardizer](), dtype=numbers, **fit)
        for reads in (True, False)
    ]
    assert same_runs(*runs)
    (net, _, given), (other, _, arrays) = runs
    assert {type(X) for X in arrays} == {np.ndarray}
    assert all(isinstance(one, IntegerColumns) and one.rows.dtype == dtype for one in given)
    assert len({id(one) for one in given}) == 1, (
        "programs keep what they made of X while it is the same object"
    )
    standard = net.standardizer
    assert np.array_equal(standard.mean, other.standardizer.mean)
    assert np.array_equal(standard.deviation, other.standardizer.deviation)
    as_numbers = X.astype(numbers)
    assert np.array_equal(net.predict(X), net.predict(as_numbers))
    assert net.evaluate(X, y) == other.evaluate(as_numbers, y)
    assert net.gradients(X, y)[0] == other.gradients(as_numbers, y)[0]


def test_as_float_input(reading):
    """Also as the same numbers given as floats, and as a fitted standardizer's second run."""
    X, y = data()
    net, _, first = trained(reading, True, X, y, gn.Standardizer())
    other, _, _ = trained(reading, True, X.astype("float32"), y, gn.Standardizer())
    assert same(net, other)
    given = reading(True)
    net.fit(X[::2], y[::2], epochs=2, batch_size=7)
    other.fit(X[::2].astype("float32"), y[::2], epochs=2, batch_size=7)
    assert same(net, other)
    assert isinstance(first[0], IntegerColumns) and isinstance(given[0], IntegerColumns)
    assert isinstance(given[-1], np.ndarray)


@pytest.mark.parametrize("optimizer", [None, gn.GradientDescent(1e-3, 0.5)])
def test_without_a_standardizer(optimizer, reading, monkeypatch):
    """The size of the inputs, from which the default optimizer takes its rate, is that of the numbers in a sample."""
    monkeypatch.setattr("gpunet.inputs.pending_check.SAMPLE", 2)
    X, y = data("uint8")
    X[1::2] //= 100
    warning = pytest.warns(gn.UnscaledInputs, match="mean .x. is 1")
    runs = []
    for reads in (True, False):
        with warning:
            runs.append(trained(reading, reads, X, y, optimizer=optimizer, validation_fraction=0.2))
    assert same_runs(*runs)
    assert isinstance(runs[0][2][0], IntegerColumns)


def test_dropout_and_layers_that_are_frozen(reading):
    X, y = data()
    for layers in (
        [gn.Dropout(0.3), gn.Dense(8, "relu"), gn.Dense(3, "softmax")],
        [gn.Dense(8, "relu", trainable=False), gn.Dense(3, "softmax")],
    ):
        runs = [trained(reading, reads, X, y, gn.Standardizer(), layers) for reads in (True, False)]
        assert same_runs(*runs)
    assert isinstance(runs[0][2][0], np.ndarray)  # what a frozen layer gives


def test_a_program_that_takes_none_is_given_numbers(reading, monkeypatch):
    X, y = data()
    wanted = trained(reading, False, X, y, gn.Standardizer())
    monkeypatch.setattr(ReadsIntegers, "takes_integers", False)
    found = trained(reading, True, X, y, gn.Standardizer())
    assert same_runs(found, wanted)
    assert type(found[2][0]) is np.ndarray and found[2][0].dtype == "float32"


def test_what_is_not_kept(reading):
    """Transforms and other people's standardizers see numbers, in streams too; wider integers are as ever."""
    X, y = data()

    class Doubled(gn.Standardizer):
        def apply(self, xp, rows, from_host, out=None):
            return 2 * super().apply(xp, rows, from_host, out)

    seen = []

    def transform(X, rng):
        seen.append(X.dtype)
        return X

    for more in (
        {"standardizer": Doubled()},
        {"standardizer": gn.Standardizer(), "transform": transform},
        {"standardizer": gn.Standardizer(), "X": X.astype("int32")},
        {"standardizer": Doubled(), **stream(X, y)},
        {"standardizer": gn.Standardizer(), "transform": transform, **stream(X, y)},
    ):
        runs = [trained(reading, reads, **{"X": X, "y": y, **more}) for reads in (True, False)]
        assert same_runs(*runs)
        assert all(isinstance(one, np.ndarray) and one.dtype == "float32" for one in runs[0][2])
    assert set(seen) == {np.dtype("float32")}


def stream(X, y, *cuts, **more):
    """The same data as blocks that end at these rows."""
    edges = [0, *(cuts or (50,)), len(X)]
    blocks = [(X[a:b], y[a:b], *(A[a:b] for A in more.values())) for a, b in itertools.pairwise(edges)]
    return {"X": lambda: iter(blocks), "y": None}


@pytest.mark.parametrize("batch_size", [1, 20, M])
@pytest.mark.parametrize("standardizer", [None, *STANDARDIZERS])
def test_streams(standardizer, batch_size, reading, monkeypatch):
    """Blocks stay integers until a program reads them; a window may leave some over for the next one."""
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.NUMBERS", 12 * N)
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.HELD", 2)
    monkeypatch.setattr("gpunet.training.windows.HELD", 2)
    X, y = data("int8")
    given = stream(X, y, 12, 24, 37, 41, 60, 77)
    settings = {"batch_size": batch_size, "optimizer": gn.Adam(1e-3), **given}
    runs = []
    for reads in (True, False):
        made = STANDARDIZERS[standardizer]() if standardizer else None
        with contextlib.nullcontext() if standardizer else pytest.warns(gn.UnscaledInputs):
            runs.append(trained(reading, reads, standardizer=made, **settings))
    assert same_runs(*runs)
    kept = runs[0][2]
    assert len(kept) >= 3 and {type(one) for one in runs[1][2]} == {np.ndarray}
    assert all(isinstance(one, IntegerColumns) and one.rows.dtype == "int8" for one in kept)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("batch_size", [1, 20, 27, M])
def test_files(batch_size, dtype, reading, tmp_path, monkeypatch):
    """Windows of integers have as many groups of blocks as take the memory of one in float32; the order is the same."""
    small_blocks(monkeypatch, 6, 2, N)
    X, y = data(dtype)
    runs = []
    for reads in (True, False):
        file = mapped(tmp_path, f"X-{reads}", X)
        runs.append(trained(reading, reads, file, y, gn.Standardizer(), batch_size=batch_size, epochs=2))
    assert same_runs(*runs)
    kept, given = ([one.shape[1] for one in run[2]] for run in runs)
    groups = {"uint8": 4, "int16": 2}[dtype]
    assert max(given) <= 12 + 2 * batch_size or batch_size == M
    if batch_size < M:
        assert max(kept) >= groups * 12 and len(kept) < len(given)
    assert all(isinstance(one, IntegerColumns) for one in runs[0][2])


@pytest.mark.parametrize("batch_size", [8, 10])
def test_streams_of_several_types(batch_size, reading, monkeypatch):
    """A window of blocks of more than one type is one of numbers."""
    small_blocks(monkeypatch, 10, 3, N)
    X, y = data("uint8")
    for second in ("int16", "float32", "float64"):
        types = ["uint8", second, "uint8", "uint8", "uint8", "uint8", second, "uint8", second]
        blocks = [
            (X[10 * k : 10 * k + 10].astype(dtype), y[10 * k : 10 * k + 10]) for k, dtype in enumerate(types)
        ]
        runs = [
            trained(reading, reads, lambda: iter(blocks), None, gn.Standardizer(), batch_size=batch_size)  # noqa: B023
            for reads in (True, False)
        ]
        assert same_runs(*runs)
        # With batches of 10 nothing is left over for the window of three blocks of uint8.
        assert any(isinstance(one, IntegerColumns) for one in runs[0][2]) == (batch_size == 10)


def test_weights_and_lists_of_targets_in_streams(reading):
    X, y = data("bool")
    weights = np.linspace(0.5, 2, M)
    for given in (stream(X, y, 30, 31, 60, w=weights), stream(X, y.tolist(), 30, 31, 60)):
        more = {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}, "label_smoothing": 0.1}
        runs = [
            trained(reading, reads, **given, standardizer=gn.Standardizer(), **more)
            for reads in (True, False)
        ]
        assert same_runs(*runs)
        assert isinstance(runs[0][2][0], IntegerColumns)


@pytest.mark.parametrize("bad", [3, -1, 0.5])
def test_the_row_of_a_bad_target_in_a_stream(bad, reading, monkeypatch):
    """Blocks are checked together, and the message names the row among all."""
    X, y = data("uint8")
    y = y.astype(float) if bad == 0.5 else y
    read = 0

    def blocks():
        nonlocal read
        read += 1
        targets = y.copy()
        if read > 1:  # after the pass that checks them all
            targets[43] = bad
        return stream(X, targets, 12, 24, 40, 60)["X"]()

    messages = []
    for reads in (True, False):
        read = 0
        with pytest.raises(ValueError) as raised:
            trained(reading, reads, blocks, None, gn.Standardizer())
        messages.append(str(raised.value))
    assert messages[0] == messages[1] and "43" in messages[0]


def test_a_checkpoint(reading, tmp_path):
    """A run that goes on from one is the run that was not interrupted."""
    X, y = data()
    whole = trained(reading, True, X, y, gn.Standardizer(), epochs=4)
    folder = tmp_path / "run"
    for reads, epochs in ((True, 2), (False, 3), (True, 4)):
        last = trained(
            reading, reads, X, y, gn.Standardizer(), epochs=epochs, checkpoint=gn.Checkpoint(folder, steps=2)
        )
    assert same_runs(last, whole)
    assert isinstance(last[2][0], IntegerColumns)


def test_the_accuracy_that_a_bar_shows(reading, monkeypatch):
    X, y = data()
    shown = []
    monkeypatch.setattr(ProgressBar, "visible", property(lambda self: True))
    for name in ("advance", "close"):
        monkeypatch.setattr(ProgressBar, name, lambda self, *_: None)
    monkeypatch.setattr(ProgressBar, "epoch", lambda self, history, accuracy: shown.append(accuracy))
    for reads in (True, False):
        trained(reading, reads, X, y, gn.Standardizer(), epochs=2)
    assert shown[:2] == shown[2:] and 0 < shown[1] < 1


def test_a_divergence(reading):
    """The last finite weights are found by the reference, and the advice knows how large the numbers are."""
    X, y = data("uint8")
    layers = [gn.Dense(8, "relu"), gn.Dense(1, "identity")]
    errors = []
    for reads in (True, False):
        given = reading(reads)
        net = gn.Network(layers, seed=3, backend="numpy")
        with pytest.warns(gn.UnscaledInputs), pytest.raises(gn.Diverged) as raised:
            net.fit(X, y.astype("float32"), optimizer=gn.GradientDescent(1e3), epochs=5, batch_size=10)
        errors.append((str(raised.value), host(net)))
        assert given
    assert errors[0][0] == errors[1][0] and "The inputs are large" in errors[0][0]
    assert all(np.array_equal(a, b) for a, b in zip(errors[0][1], errors[1][1], strict=True))


def test_rows_are_shared_and_never_written_to(reading):
    X, y = data()
    before = X.copy()
    X.flags.writeable = False
    _, _, given = trained(reading, True, X, y, gn.Standardizer())
    assert np.shares_memory(given[0].rows, X) and np.array_equal(X, before)


def test_in_a_plan_nothing_tells_of_it(reading):
    """Integers are no other run: a checkpoint of one goes on with the other."""
    plans = []

    class Kept(ReadsIntegers):
        def __init__(self, xp, plan):
            plans.append(plan)
            super().__init__(xp, plan)

    X, y = data()
    for rows in (X, X.astype("float32")):
        reading(True, Kept)
        gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy", standardizer=gn.Standardizer()).fit(
            rows, y, epochs=1
        )
    assert dataclasses.asdict(plans[0]) == dataclasses.asdict(plans[1])
