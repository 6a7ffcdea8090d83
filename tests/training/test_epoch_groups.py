"""Short epochs that a program runs several of in one call: all is as if it had run them one by one."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import Program, TrainState
from gpunet.core.reference import Reference
from gpunet.inputs.pipeline import Examples
from small_loops import loop_with

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 3)).astype("float32"), rng.standard_normal(12).astype("float32")


class Together(Program):
    """The reference, with examples always gathered, as the compiled programs do it."""

    name = "together"

    def __init__(self, plan, count, repeats):
        super().__init__(plan)
        self.epochs_together, self.repeats_full_batch, self.calls = count, repeats, []
        import array_api_compat.numpy as xp

        self.reference = Reference(xp, plan)

    def __call__(self, state, inputs):
        if inputs.order is None:
            order = np.arange(inputs.examples, dtype=np.int32)
            if self.repeats_full_batch and self.plan.steps == 1:
                order = np.tile(order, len(inputs.coefficients))
            inputs = inputs._replace(order=order)
        self.calls.append(inputs.examples)
        return self.reference(state, inputs)


@pytest.fixture
def fit(monkeypatch):
    """``fit(count, epochs, …)``: network, history and program of a run whose program takes so many epochs at once."""

    def run(count, epochs, loss="squared_error", asynchronous=False, repeats=False, **given):
        made = []

        def program_for(self, plan, device):
            made.append(Together(plan, count, repeats))
            return made[-1], "a test"

        monkeypatch.setattr(type(gn.get_backend("numpy")), "asynchronous", asynchronous)

        monkeypatch.setattr(type(gn.get_backend("numpy")), "program_for", program_for)
        net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(1)], loss, seed=3, backend="numpy", inputs=3)
        try:
            net.fit(X, Y, epochs=epochs, **given)
        except gn.Diverged as error:
            return net, error, made[0]
        return net, net.history, made[0]

    return run


def weights(net):
    return np.concatenate([p.ravel() for pair in net.parameters for p in pair])


PLANS = {
    "full batch": {"batch_size": None, "optimizer": gn.Adam(gn.Cosine(0.01))},
    "shuffled": {"batch_size": 4, "optimizer": gn.GradientDescent(gn.Cosine(0.05, 0.01), 0.8)},
    "smaller last batches": {"batch_size": 5, "optimizer": gn.Adam(gn.Cosine(0.01))},
    "in order": {"batch_size": 6, "optimizer": gn.RMSprop(0.01), "shuffle": False},
    "weighted": {
        "batch_size": 3,
        "optimizer": gn.GradientDescent(0.02),
        "sample_weight": np.arange(1.0, 13.0),
    },
}


@pytest.mark.parametrize("name", PLANS)
def test_the_same_run(fit, name):
    """In groups of 4, of which the last has what is left: 10 epochs as one by one."""
    (one, history, single), (net, other, program) = fit(1, 10, **PLANS[name]), fit(4, 10, **PLANS[name])
    assert single.calls == [12] * 10 and program.calls == [48, 48, 24]
    assert np.array_equal(weights(net), weights(one))
    assert other.loss == history.loss and other.learning_rate == history.learning_rate
    assert other.epochs == 10 and len(other.seconds) == 10 and all(seconds > 0 for seconds in other.seconds)
    assert np.array_equal(other.step_loss, history.step_loss)
    assert np.array_equal(other.step_learning_rate, history.step_learning_rate)
    assert (other.program, other.reason) == ("together", "a test")
    again = [fit(count, 10, **PLANS[name])[0] for count in (1, 4)]
    for net in again:  # on from there, with the slots and the count of updates that the first run has left
        net.fit(X, Y, epochs=3, batch_size=None, optimizer=gn.Adam(0.02))
    assert np.array_equal(weights(again[0]), weights(again[1]))


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("name", PLANS)
def test_on_a_device_that_works_while_the_host_draws(fit, name, repeats):
    """It does not wait for the orders of many epochs: the first one runs alone, if there is an order to draw."""
    (one, history, _), (net, other, program) = (
        fit(count, 10, asynchronous=True, repeats=repeats, **PLANS[name]) for count in (1, 4)
    )
    alone = "shuffle" not in PLANS[name] and PLANS[name]["batch_size"]
    assert program.calls == ([12, 48, 48, 12] if alone else [48, 48, 24])
    assert np.array_equal(weights(net), weights(one))
    assert other.loss == history.loss and other.learning_rate == history.learning_rate
    assert np.array_equal(weights(net), weights(fit(4, 10, **PLANS[name])[0]))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("batch_size", [6, None])
@pytest.mark.parametrize("epochs", range(8, 30, 3))
def test_the_same_divergence(fit, epochs, batch_size, asynchronous):
    """Wherever it comes: in a group, or in the first step after one."""
    rate = 1.9 if batch_size else 3.1
    given = {"batch_size": batch_size, "optimizer": gn.GradientDescent(rate), "loss": "squared_error"}
    given |= {"asynchronous": asynchronous, "repeats": asynchronous}
    (one, error, _), (net, other, program) = fit(1, epochs, **given), fit(5, epochs, **given)
    assert type(other) is type(error)
    if isinstance(error, gn.Diverged):
        assert str(other) == str(error)
    assert np.array_equal(weights(net), weights(one), equal_nan=True)
    assert net.history.loss == one.history.loss
    assert 60 in program.calls


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_a_divergence_that_a_group_has_led_to(fit, count, asynchronous):
    """The loss of the first step after it shows it: the last epoch of the group runs again, up to its last step."""
    given = {"batch_size": 6, "optimizer": gn.GradientDescent(gn.Cosine(2.1, 1.05))}
    one, error, _ = fit(1, 50, **given)
    net, other, program = fit(count, 50, asynchronous=asynchronous, **given)
    assert (error.epoch, error.step) == (17, 1) and str(other) == str(error)
    assert np.array_equal(weights(net), weights(one))
    assert 12 * count in program.calls


def test_who_looks_at_every_epoch(fit, tmp_path):
    """Callbacks, validation data, checkpoints; transforms."""
    plan = {"batch_size": 6, "optimizer": gn.GradientDescent(0.02)}
    for given in (
        {"callbacks": [lambda net, history: None]},
        {"validation_data": (X, Y)},
        {"checkpoint": str(tmp_path / "run")},
        {"transform": lambda rows, rng: rows},
    ):
        _, history, program = fit(4, 8, **plan | given)
        assert max(program.calls) <= 12 and history.epochs == 8, given
    _, history, program = fit(4, 8, **plan, progress=True)
    assert program.calls == [48, 48]


class Counting(Program):
    """Adds 1 to a weight in each step, and has a loss or a weight that is not finite from one step on."""

    name = "counting"
    epochs_together = 3

    def __init__(self, loss, weight):
        self.bad_loss, self.bad_weight = loss, weight

    def __call__(self, state, inputs):
        (W, b), *_ = state.parameters
        steps = len(inputs.coefficients)
        after = float(W[0, 0]) + np.arange(steps + 1)
        losses = np.where(after[:-1] >= self.bad_loss, np.nan, 1.0)
        W = np.full_like(W, np.inf if after[-1] >= self.bad_weight else after[-1])
        return TrainState([(W, b)], state.slots), losses.astype("float32")


@pytest.mark.parametrize("bad_loss", [5, 6, 7, 12, 13, 99])
@pytest.mark.parametrize("bad_weight", [6, 11, 12, 99])
def test_where_a_run_stops_being_finite(bad_loss, bad_weight):
    """The same epoch, step and number of updates, and the same state to go on from: also right after a group."""
    ends = []
    for together in (False, True):
        program = Counting(bad_loss, bad_weight)
        plan = Plan((Layer(1, 1, "identity"),), "squared_error", gn.GradientDescent(0.1), 4, 2)
        ones = np.ones((1, 4), "float32")
        loop = loop_with(program, plan, Examples(ones, ones, None), 7, program, together)
        zero = TrainState([(np.zeros((1, 1), "float32"), np.zeros((1, 1), "float32"))], [((), ())])
        *_, end = loop.run(zero, epochs_trained=3, updates=8)
        W = float(end.state.parameters[0][0][0, 0])
        ends.append((W, end.updates, end.epochs_trained, str(end.diverged), loop.history.loss))
    assert ends[0] == ends[1]
