"""The figures of a run."""

import gpunet as gn
from gpunet import plots


def test_a_new_history_is_empty():
    history = gn.History()
    for figures in (
        history.loss,
        history.val_loss,
        history.val_accuracy,
        history.seconds,
        history.learning_rate,
    ):
        assert figures == []
    assert (history.epochs, history.examples) == (0, 0)
    assert (history.program, history.reason, history.backend, history.device, history.stopped) == ("",) * 5
    assert history.precision == "float32"
    assert gn.History().loss is not history.loss


def test_examples_per_second():
    assert gn.History(seconds=[2.0, 0.5], examples=100).examples_per_second == [50.0, 200.0]
    # Too short to be measured: no division by 0
    (rate,) = gn.History(seconds=[0.0], examples=1).examples_per_second
    assert rate == 1 / 1e-9


def test_a_plot_is_made_of_all_that_is_given(monkeypatch):
    monkeypatch.setattr(plots, "training", lambda *given, **more: (given, more))
    history, network = gn.History(), object()
    assert history.plot("loss.png", network=network) == ((history, "loss.png"), {"network": network})
    assert history.plot() == ((history, None), {"network": None})
