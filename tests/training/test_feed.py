"""What a program is given of a run: by itself, against arrays written out."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import Program
from gpunet.devices.placement import host_placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.pipeline import Examples
from gpunet.training.feed import Feed
from gpunet.training.history import History
from gpunet.training.parts import PartsOfWindows
from gpunet.training.position import Position

M, N, BATCH = 10, 3, 4
STEPS = 3


class Reads(Program):
    name = "reads"

    def __call__(self, state, inputs):
        raise NotImplementedError


def feed(X=None, *, rate=0.5, epochs=6, shuffle=False, optimizer=None, dropout=0.0, batch=BATCH, **changed):
    layers = (Layer(N, 2, "tanh", dropout), Layer(2, 1, "identity"))
    X = np.ones((N, M), "float32") if X is None else X
    optimizer = optimizer or gn.GradientDescent(rate)
    plan = Plan(layers, "squared_error", optimizer, M, batch, **changed.pop("plan", {}))
    program = Reads(plan)
    for name, value in changed.items():
        setattr(program, name, value)
    made = Feed(
        *(plan, host_placement(), Examples(X, np.ones((1, M), "float32"), None), 3, shuffle, epochs),
        *(program, History(), None, None, None),
    )
    made.begin(Position(), 0, 0)
    return made


@pytest.mark.parametrize("takes", [True, False])
def test_integers_stay_for_a_program_that_takes_them(takes):
    rows = np.arange(M * N).reshape(M, N).astype("uint8")
    standardizer = gn.Standardizer()
    standardizer.mean, standardizer.deviation = np.ones(N), np.full(N, 2.0)
    X = IntegerExamples(rows, host_placement(), "float32", standardizer)
    found = feed(X, takes_integers=takes).examples.X
    if takes:
        assert found is X
    else:
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, (rows.T.astype("float32") - 1) / 2)
    array = np.ones((N, M), "float32")
    assert feed(array, takes_integers=takes).examples.X is array


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_sparse_examples_are_dense_for_dropout_of_the_inputs(dropout):
    sparse = pytest.importorskip("scipy.sparse")
    X = SparseExamples(sparse.csr_array(np.eye(M, N, dtype="float32")), host_placement())
    assert feed(X, dropout=dropout).examples.X.stays_sparse is (dropout == 0.0)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("batch", [BATCH, M])
def test_orders_of_epochs_that_run_together(repeats, batch):
    """As they stand, one after the other; none where a full batch is repeated."""
    order = feed(batch=batch, repeats_full_batch=repeats).inputs(0, 3).order
    if repeats and batch == M:
        assert order is None
    else:
        assert order.dtype == np.int32
        assert order.tolist() == [*range(M)] * 3
    assert feed(batch=batch).inputs(0, 1).order is None
    drawn = feed(shuffle=True, batch=batch).inputs(1, 2).order
    wanted = [np.random.default_rng([3, epoch]).permutation(M) for epoch in (1, 2)]
    assert drawn.dtype == np.int32 and drawn.tolist() == np.concatenate(wanted).tolist()


def test_epochs_that_read_the_same_examples():
    made = feed()
    made.epochs = 5
    assert [made.inputs(epoch).epochs for epoch in (0, 3, 4)] == [5, 2, 1]
    made.transform = object()  # other examples each time
    assert made.inputs(0).epochs == 1


RATES = {
    "constant": (0.5, lambda step: 0.5),
    "schedule": (gn.InverseTime(0.5, 4), lambda step: 0.5 / (1 + step / 4)),
    "own": (lambda step, planned: 0.5 + step / planned, lambda step: 0.5 + step / 18),
}


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0, 3.0])
@pytest.mark.parametrize("kind", RATES)
def test_learning_rates_times_the_factor_that_callbacks_have_set(kind, factor):
    rate, wanted = RATES[kind]
    made = feed(rate=rate)
    made.history.learning_rate_factor = factor
    for epoch, count in ((0, 1), (2, 1), (1, 3)):
        found = made.coefficients(epoch, count)
        steps = range(epoch * STEPS, (epoch + count) * STEPS)
        assert found.shape == (len(steps), 1) and found.dtype == np.float32
        np.testing.assert_array_equal(found[:, 0], np.float32([factor * wanted(step) for step in steps]))


def test_the_factor_scales_both_rates_of_adam():
    made = feed(optimizer=gn.Adam(0.5, beta1=0.25, beta2=0.75))
    made.history.learning_rate_factor = 0.125
    made.begin(Position(1), 3, 7 + STEPS)  # another run before it had 7 updates
    t = 7 + STEPS + np.arange(1, STEPS + 1)
    wanted = np.stack([np.full(STEPS, 0.0625), 0.0625 / (1 - 0.25**t), (1 - 0.75**t) ** -0.5], axis=1)
    np.testing.assert_allclose(made.coefficients(1), wanted, rtol=1e-6)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), "0.5", None])
def test_a_factor_that_is_none(factor):
    made = feed()
    made.history.learning_rate_factor = factor
    with pytest.raises((ValueError, TypeError), match=r"^history.learning_rate_factor must be a"):
        made.coefficients(0)


def test_targets_come_with_the_parts_of_a_batch():
    """Not those of the sample that the feed has been given: see `EpochInputs`."""

    class Whole:
        def steps(self, epoch, step):
            return range(STEPS)

    made = feed(plan={"in_parts": True, "weighted": True})
    made.examples = made.examples._replace(weights=np.ones((1, M), "float32"))
    made.windows = Whole()
    made.begin(Position(), 0, 0)
    for steps, positions in ((range(1, 2), range(4, 8)), (range(1, 3), range(4, 10)), (range(3), range(M))):
        found = made.on_device(made.inputs(0), 0, steps)
        assert isinstance(found.X, PartsOfWindows)
        assert found.X.positions == positions and found.X.shape == (N, len(positions))
        assert found.Y is None and found.example_weights is None and found.order is None
        assert found.coefficients.shape == (len(steps), 1)
        assert found.examples == len(positions)
