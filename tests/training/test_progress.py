"""Progress: the bar's text on a terminal, its chunks; lines where output goes elsewhere; notebooks."""

import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import gpunet as gn
from gpunet.training import chunks
from gpunet.training.history import History
from gpunet.training.progress import ENDED, RUNNING, STARTING, ProgressBar, in_notebook
from gpunet_numpy.compiled import data as compiled_data

M, N, K = 12, 3, 2


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), np.arange(M) % K


def network(name="numpy", **more):
    return gn.Network([gn.Dense(K, "softmax")], inputs=N, seed=0, backend=name, **more)


def host(net):
    return [np.array(net.placement.backend.to_host(p)) for pair in net.parameters for p in pair]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def frames(written):
    return [frame for frame in re.split(r"[\r\n]+", re.sub(r"\x1b\[A", "", written)) if frame.strip()]


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns in the place of standard error; every update is drawn."""
    import tqdm

    file = Terminal()
    whole = tqdm.tqdm.__init__

    def drawn(self, *a, **k):
        whole(
            self,
            *a,
            **(k | {"file": file, "mininterval": 0, "miniters": 1, "dynamic_ncols": False, "ncols": 79}),
        )

    monkeypatch.setattr(tqdm.tqdm, "__init__", drawn)
    return file


@pytest.mark.parametrize("validation", [True, False])
def test_what_the_bar_says(terminal, rng, validation, monkeypatch):
    monkeypatch.setattr(chunks, "FIRST_STEPS", 11)
    monkeypatch.setattr(chunks, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(compiled_data, "TOGETHER", 1)
    X = rng.normal(size=(25_000, N)).astype("float32")
    y = (X[:, 0] > 0).astype(int)
    held = (X[:100], y[:100]) if validation else None
    history = network().fit(X, y, epochs=10, batch_size=900, validation_data=held, progress=True)
    seen = frames(terminal.getvalue())
    assert seen[0].strip() == "epoch  1/10 starting"
    assert max(map(len, seen)) <= 80
    running = [frame for frame in seen if " left" in frame]
    assert len(running) > 20  # it moves within epochs
    assert all("loss " in frame for frame in running)  # from the first epoch on
    assert all("ex/s" in frame for frame in running)
    shares = [int(re.search(r"(\d+)%\|", frame)[1]) for frame in running]
    assert shares == sorted(shares)
    assert {re.match(r"epoch +(\d+)/10", frame)[1] for frame in running} == {str(e) for e in range(1, 11)}
    last = seen[-1]
    assert re.match(r"epoch 10/10 100%\|[█#]+\| .*ex/s, took \d\d:\d\d, ", last)
    assert f"loss {history.loss[-1]:.3f}" in last
    assert re.search(r"acc (0\.9\d\d|1\.000)", last)
    if validation:
        assert f"val {history.val_loss[-1]:.3f}" in last


def test_the_bar_of_real_targets_has_no_accuracy(terminal, data):
    X, _ = data
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    net.fit(X, X[:, 0], epochs=3, batch_size=None, progress=True)
    assert "loss" in frames(terminal.getvalue())[-1]
    assert "acc" not in terminal.getvalue()


def test_the_bar_of_a_run_that_ends_early(terminal, data):
    X, y = data
    network().fit(X, y, epochs=40, batch_size=None, progress=True, callbacks=lambda net, history: True)
    assert re.match(r"epoch  1/40 +2%", frames(terminal.getvalue())[-1])


def test_the_bar_of_a_run_that_breaks_off_is_closed(terminal, data):
    X, _ = data
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    with pytest.raises(gn.Diverged):
        net.fit(X, X[:, 0], optimizer=gn.GradientDescent(1e30), batch_size=1, progress=True)
    assert terminal.getvalue().endswith("\n")


def test_nothing_is_written_unless_asked_for(data, capfd):
    X, y = data
    network().fit(X, y, epochs=2, batch_size=None, progress=False)
    assert capfd.readouterr() == ("", "")


def test_watching_changes_nothing(terminal, rng):
    X = rng.normal(size=(25_000, N)).astype("float32")
    y = (X[:, 0] > 0).astype(int)
    one, two = network(), network()
    watched = one.fit(X, y, epochs=2, batch_size=700, progress=True)
    alone = two.fit(X, y, epochs=2, batch_size=700)
    assert watched.loss == pytest.approx(alone.loss, rel=1e-6)
    for a, b in zip(host(one), host(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


# --- the bar itself -------------------------------------------------------------------------------


def epoch_of(bar, history, loss, accuracy=None, val_loss=None):
    history.epochs += 1
    history.loss.append(loss)
    if val_loss is not None:
        history.val_loss.append(val_loss)
    bar.epoch(history, accuracy)


def test_one_bar_step_by_step(terminal):
    bar, history = ProgressBar(True, 12, 100), History()
    assert bar.visible
    assert bar.bar.total == 1200
    assert (bar.bar.bar_format, bar.bar.unit, bar.bar.unit_scale) == (STARTING, "ex", True)
    assert bar.bar.desc.startswith("epoch  1/12")
    clock = bar.bar.start_t
    bar.advance(40, 2.0)  # the first chunk includes compilation: the clock starts after it
    assert (bar.bar.n, bar.bar.initial, bar.bar.last_print_n) == (40, 40, 40)
    assert bar.bar.start_t == bar.bar.last_print_t > clock
    assert (bar.bar.bar_format, bar.bar.postfix) == (STARTING, "loss 2.000")
    bar.advance(60, float("nan"))
    assert (bar.bar.n, bar.bar.bar_format, bar.bar.postfix) == (100, RUNNING, "loss 2.000")
    epoch_of(bar, history, 0.5, accuracy=0.25, val_loss=1e-4)
    assert bar.bar.postfix == "loss 0.500, val 1.0e-04, acc 0.250"
    assert bar.bar.desc == "epoch  2/12"
    bar.close()
    assert bar.bar.bar_format == ENDED
    assert bar.bar.desc == "epoch  1/12"  # the last that ran


@pytest.mark.parametrize(("done", "said"), [(0, "epoch 1/3"), (1, "epoch 2/3"), (3, "epoch 3/3")])
def test_a_bar_that_goes_on(terminal, done, said):
    bar = ProgressBar(True, 3, M)
    bar.begin_at(done * M, SimpleNamespace(epochs=done))
    assert (bar.bar.desc, bar.bar.n, bar.done) == (said, done * M, done)
    bar.close()


def test_the_last_epoch_has_no_next(terminal):
    bar, history = ProgressBar(True, 2, 10), History()
    for _ in range(2):
        bar.advance(10, 1.0)
        epoch_of(bar, history, 1.0)
    assert bar.bar.desc == "epoch 2/2"
    bar.close()
    assert bar.bar.desc == "epoch 2/2"
    none = ProgressBar(True, 2, 10)
    none.close()
    assert none.bar.desc == "epoch 1/2"


def test_metrics_take_the_place_of_the_speed(terminal):
    bar, history = ProgressBar(True, 2, 100), gn.History(examples=100)
    bar.advance(50, 2.0)
    bar.advance(50, 1.0)
    assert "{rate_fmt}" in bar.bar.bar_format
    history.epochs, history.loss, history.val_loss = 1, [1.0], [1.5]
    history.val_metrics = {"f1": [0.25], "loss": [0.5]}
    bar.epoch(history, 0.75)
    assert bar.bar.postfix == "loss 1.000, val 1.500, acc 0.750, f1 0.250, loss 0.500"
    bar.advance(50, 0.5)
    assert bar.bar.postfix == "loss 0.500, val 1.500, acc 0.750, f1 0.250, loss 0.500"
    assert bar.bar.bar_format == "{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}"
    bar.close()
    assert bar.bar.bar_format == "{desc} {percentage:3.0f}%|{bar}| took {elapsed}{postfix}"


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.001, "0.001"),
        (0.000999, "1.0e-03"),
        (999.9994, "999.999"),
        (1000.0, "1.0e+03"),
        (1.5, "1.500"),
        (0.0, "0.000"),
        (-0.25, "-0.250"),
        (-2e-5, "-2.0e-05"),
        (-1000.0, "-1.0e+03"),
    ],
)
def test_figures(terminal, figure, text):
    bar = ProgressBar(True, 1, 10)
    bar.advance(5, figure)
    assert bar.bar.postfix == f"loss {text}"
    bar.close()


def test_a_hidden_bar_counts_epochs_and_writes_nothing(capfd):
    bar, history = ProgressBar(False, 3, 10), History()
    assert not bar.visible
    bar.advance(10, 1.0)
    epoch_of(bar, history, 1.0, accuracy=0.5)
    assert bar.done == 1
    bar.close()
    assert bar.bar is None
    assert capfd.readouterr() == ("", "")


# --- lines, where output is piped -------------------------------------------------------------------


def lines_at(times, monkeypatch, capfd, epochs=None):
    """What is written for epochs that end at these times, and then the run."""
    bar, history = ProgressBar(True, epochs or len(times), 10), History()
    assert not bar.visible
    for k, now in enumerate(times, start=1):
        monkeypatch.setattr("gpunet.training.progress.time.monotonic", lambda now=now: now)
        bar.advance(10, 1.0)
        if k > 1:
            history.val_accuracy.append(0.25 * k)
        epoch_of(bar, history, float(k), val_loss=0.5 * k)
    bar.close()
    out, err = capfd.readouterr()
    assert out == ""
    return err.splitlines()


def test_a_line_per_epoch(monkeypatch, capfd):
    assert lines_at([0.0, 1.0, 2.5], monkeypatch, capfd) == [
        "epoch 1/3: loss 1.000, val 0.500",
        "epoch 2/3: loss 2.000, val 1.000, acc 0.500",
        "epoch 3/3: loss 3.000, val 1.500, acc 0.750",
    ]


def test_at_most_one_line_per_second_and_the_last_one_always(monkeypatch, capfd):
    lines = lines_at([0.1 * k for k in range(25)], monkeypatch, capfd)
    assert [line.split("/")[0].split()[-1] for line in lines] == ["1", "11", "21", "25"]
    assert [line.split("/")[0].split()[-1] for line in lines_at([0.0], monkeypatch, capfd)] == ["1"]


def test_a_run_that_ends_early_has_its_last_line(monkeypatch, capfd):
    assert lines_at([0.0, 0.1], monkeypatch, capfd, epochs=10)[-1].startswith("epoch  2/10: ")
    assert lines_at([], monkeypatch, capfd, epochs=10) == []


def test_lines_are_not_held_back(monkeypatch):
    """Where standard error is a pipe, what is written may wait in a buffer."""

    class Pipe(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    bar, history = ProgressBar(True, 1, 10), History()
    epoch_of(bar, history, 1.0)
    assert pipe.flushed == "epoch 1/1: loss 1.000\n"
    bar.close()


def test_lines_of_a_run(data, capfd):
    X, y = data
    looks = [lambda network, history: None]  # so that no epochs are run together
    history = network().fit(X, y, epochs=7, batch_size=None, progress=True, callbacks=looks)
    err = capfd.readouterr().err.splitlines()
    assert err[0].startswith("epoch 1/7: loss ")
    assert err[-1] == f"epoch 7/7: loss {history.loss[-1]:.3f}"


def test_notebooks_get_their_own_bar(monkeypatch, data, capfd):
    """tqdm.auto chooses the bar there, and standard error is no terminal."""
    import tqdm.auto

    made = []

    class Notebook(tqdm.std.tqdm):
        def __init__(self, **settings):
            made.append(settings)
            super().__init__(**settings | {"file": io.StringIO()})

    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(tqdm.auto, "tqdm", Notebook)
    network().fit(*data, epochs=2, batch_size=None, progress=True)
    assert len(made) == 1
    assert made[0]["disable"] is False
    assert made[0]["file"] is sys.stdout
    assert capfd.readouterr() == ("", "")


def test_what_is_no_notebook(monkeypatch):
    """Its libraries may be imported; IPython in a terminal is a terminal."""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    for shell in (None, SimpleNamespace(config={"TerminalIPythonApp": {}})):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not in_notebook()


def test_figures_of_an_epoch_are_drawn_with_the_next_chunk(terminal):
    """Drawing twice would flicker."""
    bar, history = ProgressBar(True, 2, 10), History()
    bar.advance(10, 1.0)
    before = terminal.getvalue()
    epoch_of(bar, history, 0.5, accuracy=0.25, val_loss=2.0)
    assert terminal.getvalue() == before
    bar.advance(10, 0.5)
    assert "val 2.000, acc 0.250" in terminal.getvalue()[len(before) :]
    bar.close()


def test_the_bar_follows_the_width_of_the_terminal(monkeypatch):
    import tqdm

    given = {}
    whole = tqdm.tqdm.__init__

    def spied(self, *arguments, **more):
        given.update(more)
        whole(self, *arguments, **more)

    monkeypatch.setattr(tqdm.tqdm, "__init__", spied)
    ProgressBar(True, 2, 10).close()
    assert given["dynamic_ncols"] is True
