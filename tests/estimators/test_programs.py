"""What a backend's program is given by an estimator, and where an estimator computes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import gpunet as gn
from estimator_data import ROWS, TWO_HIDDEN, rows, target
from gpunet.core.reference import Reference
from gpunet.devices import placement as placements
from gpunet.devices.placement import Placement, host_placement
from gpunet.devices.registry import load_backend
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
Y, VALUE, VALUES = (target(kind, X) for kind in ("binary", "value", "values"))
FAST = {**TWO_HIDDEN, "max_iter": 3}


class Recorder(Reference):
    """The reference, which notes what it is given, and gets another name in its first epoch, as tiered programs do."""

    name = "first"

    def __init__(self, xp, plan):
        super().__init__(xp, plan)
        self.inputs = []

    def __call__(self, state, inputs):
        self.inputs.append(inputs)
        self.name = "second"
        return super().__call__(state, inputs)


class Dense(Recorder):
    """One that reads no sparse rows."""

    name = "dense rows alone"
    takes_sparse = False

    def __call__(self, state, inputs):
        raise AssertionError("it was given sparse rows")


def record(monkeypatch, backend="numpy", kind=Recorder):
    """The programs of a backend from now on."""
    made = []

    def program_for(self, plan, device):
        made.append(kind(self.namespace(), plan))
        return made[-1], "it notes what it is given"

    monkeypatch.setattr(type(load_backend(backend)), "program_for", program_for)
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_of_an_epoch(dtype, monkeypatch):
    """int32, another one each epoch; None for that in which the rows stand, and where all are one batch."""
    made = record(monkeypatch)
    for settings in ({}, {"shuffle": False}, {"batch_size": ROWS}):
        MLPRegressor(**{**FAST, **settings}, dtype=dtype).fit(X, VALUE)
    orders = [one.order for one in made[0].inputs]
    assert len(orders) == 3 and all(order.dtype == np.int32 for order in orders)
    assert all(np.array_equal(np.sort(order), np.arange(ROWS)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert [one.order for program in made[1:] for one in program.inputs] == [None] * 6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_coefficients_weights_and_keys_of_an_epoch(shuffle, dtype, monkeypatch):
    made, weights = record(monkeypatch), np.linspace(0.5, 3.0, ROWS)
    settings = {**FAST, "solver": "sgd", "alpha": 0.3, "dropout": 0.2, "shuffle": shuffle, "dtype": dtype}
    MLPRegressor(**settings).fit(X, VALUE, weights)
    plan = made[0].plan
    assert plan.weighted and plan.penalized and plan.uses_dropout and not plan.sparse
    assert (plan.batch_size, plan.steps, plan.dtype) == (40, 4, dtype)
    for inputs in made[0].inputs:
        order = np.arange(ROWS) if inputs.order is None else inputs.order
        batches = [order[first : first + 40] for first in range(0, ROWS, 40)]
        assert inputs.coefficients.dtype == inputs.example_weights.dtype == dtype
        sums = np.array([weights[batch].sum() for batch in batches])
        assert_allclose(inputs.coefficients[:, 0], 0.02 / (1 - 0.9), rtol=1e-6)
        assert_allclose(inputs.coefficients[:, 1], 0.3 / sums, rtol=1e-6)
        for batch, total in zip(batches, sums, strict=True):
            expected = weights[batch] * (len(batch) / total)
            assert_allclose(inputs.example_weights[0, batch], expected, rtol=1e-6)
        assert inputs.dropout_keys.shape == (4, 3) and inputs.dropout_keys.dtype == np.int32
    keys = np.stack([inputs.dropout_keys for inputs in made[0].inputs])
    assert len(np.unique(keys)) == keys.size and keys.min() < 0 < keys.max()


def test_what_a_plan_leaves_out(monkeypatch):
    made = record(monkeypatch)
    MLPRegressor(**FAST, alpha=0.0).fit(X, VALUE)
    plan, inputs = made[0].plan, made[0].inputs[0]
    assert not (plan.weighted or plan.penalized or plan.uses_dropout or plan.sparse)
    assert inputs.example_weights is None and inputs.dropout_keys is None
    assert inputs.coefficients.shape == (4, 3)


def test_the_program_that_ran(monkeypatch):
    """By its name at the end of each epoch."""
    record(monkeypatch)
    seen = []

    def watch(network, history):
        seen.append((history.program, history.reason))

    assert MLPRegressor(**FAST, callbacks=watch).fit(X, VALUE).program_ == "second"
    assert seen == [("second", "it notes what it is given")] * 3


def test_a_program_that_takes_no_sparse_rows(monkeypatch):
    """The reference takes its place, and says why."""
    thin = sparse.csr_array(np.where(X > 0.5, X, 0.0))
    expected = MLPRegressor(**FAST, alpha=0.0, backend="numpy").fit(thin.toarray(), VALUE)
    made, seen = record(monkeypatch, kind=Dense), []

    def watch(network, history):
        seen.append((history.program, history.reason))

    model = MLPRegressor(**FAST, alpha=0.0, callbacks=watch).fit(thin, VALUE)
    assert made[0].plan.sparse and model.program_ == "reference"
    assert seen == [("reference", "dense rows alone: it takes no sparse examples")] * 3
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)


def test_slots_are_kept_on_the_host():
    """A model that was trained elsewhere can be copied to where that library is not."""
    model = MLPRegressor(**FAST, backend="readonly").partial_fit(X, VALUE)
    slots = [slot for pair in model._optimizer.slots for of_one in pair for slot in of_one]
    assert len(slots) == 12 and all(type(slot) is np.ndarray for slot in slots)
    model.set_params(backend="numpy").partial_fit(X, VALUE)
    expected = MLPRegressor(**FAST, backend="numpy")
    for _ in range(2):
        expected.partial_fit(X, VALUE)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)


# --- where it computes ----------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch):
    """A library that "auto" takes for data on the host, as it takes CuPy where there is a GPU."""
    library, get_backend = gn.get_backend("readonly"), placements.get_backend
    monkeypatch.delenv("GPUNET_BACKEND", raising=False)
    monkeypatch.setattr(
        placements, "get_backend", lambda name: library if name == "auto" else get_backend(name)
    )
    return library


def backends_of(one, settings, X, y):
    """Where it was trained, and where it predicts."""
    seen = []
    model = one(**{**FAST, **settings}, callbacks=lambda _, history: seen.append(history.backend)).fit(X, y)
    _, predicting = model._forward(X)
    return {*seen}, predicting.backend.name, model


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("settings", "program", "expected"),
    [
        ({}, True, "readonly"),
        ({}, False, "numpy"),
        ({"solver": "sgd"}, True, "readonly"),
        ({"solver": "lbfgs"}, True, "numpy"),
        ({"early_stopping": True}, True, "readonly"),
        ({"standardize": True}, True, "readonly"),
    ],
    ids=str,
)
def test_data_on_the_host_where_there_is_a_gpu(one, settings, program, expected, gpu, monkeypatch):
    """It goes there if the GPU has a program for the plan; what comes out is NumPy's, and so is a prediction."""
    plain = one(**FAST, **settings, backend="numpy").fit(X, Y)
    if program:
        record(monkeypatch, "readonly")
    trained, predicting, model = backends_of(one, settings, X, Y)
    assert (trained, predicting) == ({expected}, "numpy")
    assert type(model.coefs_[0]) is type(model.predict(X)) is np.ndarray
    assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=1e-6, atol=1e-9)


def test_the_question_for_a_program_makes_none(gpu, monkeypatch):
    made = record(monkeypatch, "readonly")
    monkeypatch.setattr(type(gpu), "has_program", lambda self, plan, device: True)
    assert backends_of(MLPRegressor, {}, X, VALUE)[0] == {"readonly"}
    assert len(made) == 1


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_who_names_a_backend_gets_it(solver, gpu, monkeypatch):
    """With a program or without one, by parameter or by environment; and where arrays of its library come in."""
    settings = {"solver": solver}
    for named in ("readonly", "numpy"):
        trained, predicting, model = backends_of(MLPRegressor, {**settings, "backend": named}, X, VALUE)
        assert (trained, predicting) == ({named}, named)
        assert type(model.coefs_[0]) is type(model.predict(X)) is np.ndarray
        assert model.to_network().placement == Placement(load_backend(named), "cpu")
    there = gpu.from_host(X, "cpu")
    trained, predicting, model = backends_of(MLPRegressor, settings, there, VALUE)
    assert (trained, predicting) == ({"readonly"}, "readonly")
    assert gpu.owns(model.coefs_[0]) and gpu.owns(model.predict(there))
    monkeypatch.setenv("GPUNET_BACKEND", "readonly")
    trained, predicting, model = backends_of(MLPRegressor, settings, X, VALUE)
    assert (trained, predicting) == ({"readonly"}, "readonly")
    assert type(model.coefs_[0]) is type(model.predict(X)) is np.ndarray


@pytest.mark.parametrize("y", [VALUE, VALUES], ids=["value", "values"])
def test_what_comes_back_is_of_the_library_of_the_rows(y, gpu):
    """Wherever it was computed."""
    there = gpu.from_host(X, "cpu")
    expected = MLPRegressor(**FAST, backend="numpy").fit(X, y).predict(X)
    for named in ("numpy", "readonly"):
        model = MLPRegressor(**FAST, backend=named).fit(there, y)
        assert type(model.coefs_[0]) is np.ndarray  # a named backend gives what can be copied anywhere
        for given, kind in ((X, np.ndarray), (there, type(there))):
            found = model.predict(given)
            assert type(found) is kind
            assert_allclose(gpu.to_host(found), expected, rtol=1e-9, atol=1e-12)


def test_a_device_without_float64(monkeypatch):
    """Numbers become float32 there, in training and prediction, and nowhere else."""
    library = gn.get_backend("readonly")
    monkeypatch.setattr(type(library), "has_float64", lambda self, device: False)
    there = library.from_host(X, "cpu")
    for named, given in (("readonly", X), ("auto", there)):
        model = MLPRegressor(**FAST, backend=named).fit(given, VALUE)
        assert model.coefs_[0].dtype == "float32"
        assert_array_equal(model.predict(given).dtype, np.dtype("float32"))
    assert MLPRegressor(**FAST, backend="numpy").fit(X, VALUE).coefs_[0].dtype == "float64"
    assert host_placement().has_float64()
