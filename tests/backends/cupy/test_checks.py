"""What stands around the epochs of a run on a GPU: checks of examples, class numbers, and what is read back."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.checks import Reach
from gpunet_cupy import checks, sources

pytestmark = pytest.mark.slow

M, N = 70, 12
LABELS = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
]
CLASSES, VALUES = Reach(True, 0, 2), Reach(False, -1.0, 1.0)


@pytest.fixture
def rows(fake, rng):
    return fake.to_device(rng.standard_normal((M, N)).astype("float32"))


def found(rows, y, reach, every=1):
    return checks.begin_check(rows, y, reach, every)()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (70, 12), (301, 7), (2, 3000)])
@pytest.mark.parametrize("multiprocessors", [1, 5])
def test_any_number_that_is_not_finite_is_found(m, n, dtype, multiprocessors, fake, usable, rng, monkeypatch):
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", multiprocessors)
    X = fake.to_device(rng.standard_normal((m, n)).astype(dtype))
    assert found(X, None, CLASSES).good
    for value in (np.nan, np.inf, -np.inf):
        for at in {(0, 0), (m - 1, n - 1), (m // 2, n // 3)}:
            before = X[at]
            X[at] = value
            assert not found(X, None, CLASSES).good
            X[at] = before
    assert found(X, None, CLASSES).good


@pytest.mark.parametrize("every", [1, 3, 80])
def test_the_size_of_a_sample(every, rows, usable):
    assert found(rows, None, CLASSES, every).mean_size == pytest.approx(
        np.abs(rows[::every]).mean(), rel=1e-6
    )
    assert found(None, np.zeros(M).view(type(rows)), CLASSES, every).mean_size is None


@pytest.mark.parametrize("dtype", LABELS)
def test_class_numbers(dtype, rows, fake, usable):
    units = 2 if dtype == "bool" else 3
    reach = Reach(True, 0, units - 1)
    numbers = (np.arange(M) % units).astype(dtype)
    for y in (fake.to_device(numbers), fake.to_device(numbers[:, None])):
        assert found(rows, y, reach).good and found(None, y, reach).good
    wrong = {"bool": [], "f": [3, -1, 0.5, np.nan, np.inf], "u": [3, 120], "i": [3, -1]}
    for value in wrong["bool" if dtype == "bool" else np.dtype(dtype).kind]:
        for at in (0, M - 1):
            y = fake.to_device(numbers)
            y[at] = value
            assert not found(rows, y, reach).good


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_targets(dtype, rows, fake, usable, rng):
    Y = fake.to_device(rng.uniform(-1, 1, (M, 3)).astype(dtype))
    Y[0, 0], Y[1, 1] = 1, -1
    assert found(rows, Y, VALUES).good and found(None, Y, VALUES).good
    for value in (1.01, -1.01, np.nan):
        for at in ((0, 0), (M - 1, 2)):
            wrong = fake.to_device(Y)
            wrong[at] = value
            assert not found(rows, wrong, VALUES).good
    wrong = fake.to_device(Y)
    wrong[5, 1] = np.inf
    assert not found(rows, wrong, Reach(False, -np.inf, np.inf)).good


def test_targets_that_sum_to_one(rows, fake, usable, rng):
    Y = rng.uniform(0, 1, (M, 3))
    Y /= Y.sum(axis=1, keepdims=True)
    reach = Reach(False, 0.0, 1.0, sum_to_one=True)
    assert found(rows, fake.to_device(Y), reach).good
    assert found(rows, fake.to_device(Y + 2e-4), reach).good
    Y[M - 1, 2] += 1e-3
    assert not found(rows, fake.to_device(Y), reach).good
    assert found(rows, fake.to_device(Y), Reach(False, -9.0, 9.0)).good


def test_what_there_is_no_kernel_for(rows, fake, usable):
    y = fake.to_device(np.zeros(M, "int64"))
    assert checks.begin_check(None, None, CLASSES, 1) is None
    for X in (rows[:, ::2], rows.T, rows.astype("float16"), fake.to_device(np.zeros((M, N), "uint8"))):
        assert checks.begin_check(X, y, CLASSES, 1) is None
    for other in (y.astype("float16"), y.astype("complex64"), fake.to_device(np.zeros((M, 2)))[:, 0]):
        assert checks.begin_check(rows, other, CLASSES, 1) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("units", [2, 3, 300])
def test_one_hot(units, labels, dtype, fake, usable):
    numbers = (np.arange(M) * 7 % min(units, 100)).astype(labels)
    Y = usable.one_hot(fake.to_device(numbers), units, dtype)
    assert Y.dtype == dtype and np.array_equal(np.array(Y), np.eye(units)[numbers.astype(int)])


def test_one_hot_of_other_arrays_and_numbers(fake, usable):
    numbers = fake.to_device(np.array([[2, 0], [-1, 0], [3, 0], [1, 0]]))[:, 0]
    for y in (numbers, numbers.copy(), numbers.astype("float16")):
        assert np.array_equal(np.array(usable.one_hot(y, 3, "float32")), np.eye(5)[[2, 4, 3, 1], :3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("steps", "count"), [(1, 1), (7, 500), (20_000, 3), (5, 40_000)])
def test_losses_and_parameters(steps, count, dtype, fake, usable, rng):
    theta, losses = (
        fake.to_device(rng.random(count).astype(dtype)),
        fake.to_device(rng.random(steps).astype(dtype)),
    )
    parts = [theta[count // 3 :], theta[: count // 3]]
    for value in (None, np.nan, np.inf):
        for at in (0, count - 1):
            theta[at] = 0.5 if value is None else value
            losses[0] = np.nan
            read, finite = usable.losses_and_finite(losses, [part for part in parts if part.size])
            assert finite == (value is None)
            assert (
                type(read) is np.ndarray
                and read.dtype == dtype
                and np.array_equal(read, losses, equal_nan=True)
            )
            theta[at] = 0.5


def test_parameters_that_do_not_lie_side_by_side(fake, usable, monkeypatch):
    theta, losses = fake.to_device(np.ones(90, "float32")), fake.to_device(np.ones(3, "float32"))
    monkeypatch.setattr("gpunet.devices.backend.Backend.all_finite", lambda self, arrays: len(arrays))
    apart = [
        [theta[:20], theta[40:]],
        [theta[:40], theta[20:]],
        [theta.reshape(9, 10).T],
        [theta[:20], fake.to_device(np.ones(3, "float32"))],
    ]
    for arrays in apart:
        assert usable.losses_and_finite(losses, arrays)[1] == len(arrays)
    assert usable.losses_and_finite(losses.astype("float64"), [theta])[1] == 1
    assert usable.losses_and_finite(losses, [theta])[1] is True


# --- fit ----------------------------------------------------------------------------------------

SOFTMAX = [gn.Dense(5, "sigmoid"), gn.Dense(3, "softmax")]
LOGISTIC = [gn.Dense(5, "tanh"), gn.Dense(1, "sigmoid")]
VALUED = [gn.Dense(5, "tanh"), gn.Dense(2)]
DROPPED = [gn.Dense(5, "sigmoid"), gn.Dropout(0.2), gn.Dense(3, "softmax")]


def given(layers, m=M):
    """Rows and targets for a network."""
    rng = np.random.default_rng(0)
    X, units = rng.standard_normal((m, N)).astype("float32"), layers[-1].units
    y = np.arange(m) % 3 if units == 3 else rng.integers(0, 2, (m, units)).astype("float32")
    return X, y


def parameters(net):
    return np.concatenate([np.array(p).ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize(("layers", "launches"), [(SOFTMAX, 7), (LOGISTIC, 6), (VALUED, 6), (DROPPED, 14)])
@pytest.mark.parametrize("labels", ["int64", "float32"])
def test_how_often_a_run_of_one_epoch_asks_and_waits(layers, launches, labels, fake, usable):
    """A launch takes the host some microseconds, a wait more: one is for the checks, one for the results."""
    X, y = map(fake.to_device, given(layers))
    y = y.astype(labels)
    net = gn.Network(layers, seed=0)
    fit = {"epochs": 1, "batch_size": 10, "optimizer": gn.GradientDescent(0.1, 0.9)}
    for _ in range(2):
        net.fit(X, y, **fit)
    fake.CALLS.clear()
    net.fit(X, y, **fit)
    calls = dict(fake.CALLS)
    fake.CALLS.clear()
    assert net.history.program == ("cupy mini-batch" if layers is DROPPED else "cupy persistent kernel")
    assert calls["wait"] == 2
    assert calls["upload"] == (3 if layers is DROPPED else 2)  # order, coefficients, dropout keys
    cast = labels == "int64" and layers is not SOFTMAX and layers is not DROPPED
    assert calls["launch"] == launches + cast


@pytest.mark.parametrize("layers", [SOFTMAX, DROPPED, LOGISTIC, VALUED])
def test_a_run_gives_what_it_gives_without_the_checks(layers, fake, usable, monkeypatch):
    X, y = given(layers)
    ends = []
    for none in (False, True):
        if none:
            for name in ("begin_check", "one_hot", "losses_and_finite"):
                monkeypatch.setattr(checks, name, lambda *_: None)
        net = gn.Network(layers, seed=0)
        for _ in range(2):
            net.fit(fake.to_device(X), fake.to_device(y), epochs=2, batch_size=10, optimizer=gn.Adam(0.01))
        ends.append((parameters(net), net.history.loss))
    assert np.array_equal(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1]


def bad(what, X, y, layers):
    """X and y with one number that is wrong, in row 41."""
    X, y = X.copy(), y.copy()
    if what in ("nan", "inf"):
        X[41, 3] = float(what)
    elif what == "float labels":
        y = y.astype("float64")
        y[41] = 1.5
    else:
        y[41] = {"class": 3, "negative": -1, "value": np.nan, "label": 2.0}[what]
    return X, y


CASES = [
    *((SOFTMAX, what) for what in ("nan", "inf", "class", "negative", "float labels")),
    (LOGISTIC, "label"),
    (VALUED, "value"),
]


@pytest.mark.parametrize(("layers", "what"), CASES)
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("more", [{}, {"callbacks": [lambda *_: None]}, {"validation_fraction": 0.2}])
def test_bad_examples_change_nothing(layers, what, trained, more, fake, usable):
    """The error is NumPy's, and names the row; the network is as it was, also once it has been trained."""
    X, y = given(layers)
    wrong = bad(what, X, y, layers)
    with pytest.raises(ValueError, match="row 41") as expected:
        gn.Network(layers, seed=0, backend="numpy").fit(*wrong, epochs=1, batch_size=10)
    net = gn.Network(layers, seed=0, backend="cupy")
    fit = {"epochs": 1, "batch_size": 10, "optimizer": gn.GradientDescent(0.1, 0.9)}
    if trained:
        net.fit(fake.to_device(X), fake.to_device(y), **fit)
        before = parameters(net)
    history, optimizer = net.history, net._trained.optimizer
    with pytest.raises(ValueError, match="row 41") as found:
        net.fit(*map(fake.to_device, wrong), epochs=1, batch_size=10, optimizer=gn.Adam(), **more)
    assert str(found.value) == str(expected.value)
    assert net.history is history and net._trained.optimizer is optimizer
    assert net.epochs_trained == int(trained)
    if trained:
        assert np.array_equal(parameters(net), before)
        again = gn.Network(layers, seed=0, backend="cupy")
        again.fit(fake.to_device(X), fake.to_device(y), **{**fit, "epochs": 2})
        net.fit(fake.to_device(X), fake.to_device(y), **fit)
        assert np.array_equal(parameters(again), parameters(net))
    else:
        assert net.inputs is None and net._trained.state is None


def test_large_inputs_are_warned_of(fake, usable):
    X, y = given(SOFTMAX)
    net = gn.Network(SOFTMAX, seed=0, backend="cupy")
    for _ in range(2):
        with pytest.warns(gn.UnscaledInputs, match=r"mean \|x\| is 78\.8"):
            net.fit(fake.to_device(100 * X), fake.to_device(y), epochs=1, optimizer=gn.GradientDescent(1e-4))


def test_integers_and_arrays_of_the_host(fake, usable, rng):
    """Whose labels alone are on the device, or neither."""
    X, y = rng.integers(0, 9, (M, N)).astype("uint8"), np.arange(M) % 3
    ends = []
    for rows, labels in (
        (fake.to_device(X), fake.to_device(y)),
        (fake.to_device(X.astype("float32")), fake.to_device(y)),
        (X.astype("float32"), y),
    ):
        net = gn.Network(SOFTMAX, seed=0, backend="cupy")
        for _ in range(2):
            net.fit(rows, labels, epochs=1, batch_size=10, optimizer=gn.GradientDescent(0.01))
        ends.append(parameters(net))
        wrong = labels.copy()
        wrong[7] = 3
        with pytest.raises(ValueError, match="row 7 is 3"):
            net.fit(rows, wrong, epochs=1)
        assert np.array_equal(parameters(net), ends[-1])
    assert np.array_equal(ends[0], ends[1]) and np.array_equal(ends[0], ends[2])


def test_kernels_are_compiled_where_the_arrays_are(fake, usable, rng):
    for cached in (sources._function, sources._module):
        cached.cache_clear()
    with fake.Device(1):
        X = fake.to_device(rng.standard_normal((M, N)).astype("float32"))
        y = fake.to_device(np.arange(M) % 3)
    assert found(X, y, CLASSES).good
    usable.one_hot(y, 3, "float32")
    assert usable.losses_and_finite(X[0], [X])[1]
    assert sorted(fake.COMPILED) == [("check_examples", 1), ("one_hot", 1), ("read_back", 1)]
