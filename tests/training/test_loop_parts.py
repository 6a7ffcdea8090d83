"""Single parts of the training loop: counts after a divergence, advice, chunks without a drawn order."""

import time

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import Program, TrainState
from gpunet.inputs.pipeline import Examples
from gpunet.training.position import Position
from gpunet.training.progress import ProgressBar
from small_loops import loop_with

M, BATCH = 10, 2
STEPS = M // BATCH
NAN = float("nan")


class Scripted(Program):
    """A program that trains nothing, and has these losses; each row is for one call."""

    name = "scripted"

    def __init__(self, losses):
        self.losses, self.orders = list(losses), []

    def __call__(self, state, inputs):
        self.orders.append(inputs.order)
        return state, np.array(self.losses.pop(0), "float32")


def loop_of(losses, X=None, Y=None, epochs=2):
    X = np.ones((1, M), "float32") if X is None else X
    Y = np.ones((1, M), "float32") if Y is None else Y
    plan = Plan((Layer(1, 1, "identity"),), "squared_error", gn.GradientDescent(0.1), M, BATCH)
    return loop_with(Scripted(losses), plan, Examples(X, Y, None), epochs)


def state():
    return TrainState([(np.zeros((1, 1), "float32"), np.zeros((1, 1), "float32"))], [((), ())])


@pytest.mark.parametrize(
    ("losses", "updates"),
    [
        ([[NAN, 1, 1, 1, 1]], 7),
        ([[1, NAN, 1, 1, 1]], 7),
        ([[1, 1, NAN, 1, 1]], 8),
        ([[1, 1, 1, NAN, NAN]], 9),
        ([[1, 1, 1, 1, 1], [NAN, 1, 1, 1, 1]], 11),
        ([[1, 1, 1, 1, 1], [1, 1, 1, 1, NAN]], 15),
    ],
)
def test_updates_behind_the_last_finite_state(losses, updates):
    """A loss of step k that is not finite comes from update k − 1: that one is not counted."""
    *_, end = loop_of(losses).run(state(), epochs_trained=3, updates=7)
    assert end.diverged is not None
    assert end.updates == updates
    assert end.epochs_trained == 2 + len(losses)


def test_growth_is_counted_from_the_first_epoch():
    """Counted are the first loss of the run and the last one, not those of the epoch that diverges alone."""
    losses = [[1.0] * STEPS, [5000.0] * STEPS, [NAN] * STEPS]
    *_, end = loop_of(losses, epochs=3).run(state(), 0, 0)
    assert "grown from 1 to 5e+03: these weights are of no use" in str(end.diverged)


@pytest.mark.parametrize(
    ("finite", "grown"), [([2.0, 2000.0], False), ([2.0, 2001.0], True), ([2.0, 1500.0], False), ([], False)]
)
def test_weights_are_of_no_use_after_a_growth_of_more_than_a_thousand(finite, grown):
    message = str(loop_of([])._diverged(0, 1, finite))
    assert ("these weights are of no use" in message) is grown


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (10.5, 100.5, "The inputs are large"),
        (10.0, 100.5, "The targets are large"),
        (10.0, 100.0, r"finite loss\. Try a smaller learning_rate, or clip_norm=1\.0\.$"),
        (3e38, 1.0, r"The inputs are large \(mean \|x\| is inf"),  # and no warning about the overflow
    ],
)
def test_advice_at_its_bounds(x, y, said):
    X, Y = np.full((1, M), x, "float32"), np.full((1, M), y, "float32")
    with pytest.raises(gn.Diverged, match=said):
        raise loop_of([], X, Y)._diverged(0, 1, [])


def test_chunks_of_examples_in_their_own_order(monkeypatch):
    monkeypatch.setattr("gpunet.training.feed.CHUNK_EXAMPLES", 4)
    loop = loop_of([[1, 1], [1, 1], [1]], epochs=1)
    list(loop.run(state(), 0, 0))
    assert [order.tolist() for order in loop.program.orders] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(order.dtype == np.int32 for order in loop.program.orders)


def test_the_bar_gets_a_mean_that_does_not_overflow(monkeypatch):
    seen = []
    monkeypatch.setattr(ProgressBar, "visible", True)
    monkeypatch.setattr(ProgressBar, "advance", lambda self, examples, loss: seen.append((examples, loss)))
    list(loop_of([[3e38] * STEPS], epochs=1).run(state(), 0, 0))
    assert seen == [(M, pytest.approx(3e38))]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_when_the_inputs_of_an_epoch_are_drawn(monkeypatch, asynchronous):
    """Where the device works by itself, those of the next epoch meanwhile; none for an epoch that does not come."""
    loop = loop_of([[1] * STEPS] * 3, epochs=3)
    monkeypatch.setattr(loop.placement.backend, "asynchronous", asynchronous, raising=False)
    events, draw, run, finish = [], loop.feed.inputs, loop._run_epoch, loop._finish_epoch

    def spy(event, function):
        return lambda *given: (events.append(event or given[0]), function(*given))[1]

    monkeypatch.setattr(loop.feed, "inputs", spy(None, draw))
    monkeypatch.setattr(loop, "_run_epoch", spy("run", run))
    monkeypatch.setattr(loop, "_finish_epoch", spy("finish", finish))
    list(loop.run(state(), 4, 20))
    if asynchronous:
        wanted = [0, "run", 1, "finish", "run", 2, "finish", "run", "finish"]
    else:
        wanted = [0, "run", "finish", 1, "run", "finish", 2, "run", "finish"]
    assert events == wanted


def test_where_a_run_goes_on(monkeypatch):
    """The program learns how many examples the run has used; the time before counts."""
    loop = loop_of([[1.0] * 3], epochs=2)
    resumed = []
    monkeypatch.setattr(loop.program, "resume", resumed.append)
    begun = time.perf_counter()
    start = Position(1, 2, np.ones(2, "float32"), 1000.0)
    # One update more than whole epochs and these two steps: an earlier run had other batches.
    (end,) = loop.run(state(), epochs_trained=4, updates=3 * STEPS + 1 + 2, start=start)
    assert resumed == [3 * M + 2 * BATCH]
    assert (end.updates, end.epochs_trained) == (4 * STEPS + 1, 5)
    assert 1000.0 <= loop.history.seconds[0] <= 1000.0 + time.perf_counter() - begun


def test_seconds_and_examples_of_epochs_that_are_run_together(monkeypatch):
    monkeypatch.setattr(ProgressBar, "visible", True)
    seen = []
    monkeypatch.setattr(ProgressBar, "advance", lambda self, examples, loss: seen.append((examples, loss)))
    loop = loop_of([[1.0] * (3 * STEPS)], epochs=3)
    loop.program.epochs_together, loop.together = 3, True
    begun = time.perf_counter()
    list(loop.run(state(), 0, 0))
    assert seen == [(3 * M, 1.0)]
    assert 0.0 < sum(loop.history.seconds) <= time.perf_counter() - begun


def test_dropout_of_the_last_epoch_before_a_divergence():
    """It is one of several that were run together: its steps run again with the keys that they had."""
    layers = Layer(1, 1, "identity"), Layer(1, 1, "identity", 0.5)
    plan = Plan(layers, "squared_error", gn.GradientDescent(0.1), M, BATCH)
    ones, zero = np.ones((1, M), "float32"), np.zeros((1, 1), "float32")
    # The epochs that run together, the one that diverges, and those before the last one again.
    program, keys = Scripted([[1.0] * (3 * STEPS), [NAN] * STEPS, [1.0] * (2 * STEPS)]), []
    program.epochs_together = 3

    class Again(Program):
        def __call__(self, state, inputs):
            keys.append(inputs.dropout_keys)
            return state, np.ones(len(inputs.dropout_keys))

    loop = loop_with(program, plan, Examples(ones, ones, None), 4, Again(plan), together=True)
    *_, end = loop.run(TrainState([(zero, zero)] * 2, [((), ())] * 2), 0, 0)
    assert end.diverged is not None and end.epochs_trained == 3
    np.testing.assert_array_equal(np.concatenate(keys), loop.feed.draw(2)[1][: STEPS - 1])


def test_the_seconds_of_a_pause(monkeypatch):
    """Those of its epoch so far, with those from before the run went on."""
    loop = loop_of([[1.0], [1.0] * 2], epochs=1)
    monkeypatch.setattr(loop.feed, "chunks", object())
    monkeypatch.setattr(
        loop.feed, "chunk_end", lambda first, epoch: min(first + 1, STEPS) if first < 3 else STEPS
    )
    begun = time.perf_counter()
    start = Position(0, 2, np.ones(2, "float32"), 1000.0)
    pause, _ = loop.run(state(), epochs_trained=0, updates=2, start=start)
    assert pause.position.step == 3
    assert 1000.0 <= pause.position.seconds <= 1000.0 + time.perf_counter() - begun
