"""TensorBoard by its own writer; MLflow and Weights & Biases by modules that record what is called."""

import struct
import sys
import time
import types

import numpy as np
import pytest

import gpunet as gn

M, BATCH, STEPS = 12, 4, 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, 3)).astype("float32"), np.arange(M) % 2


@pytest.fixture
def net():
    return gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")


def fit(net, data, log, epochs=2):
    history = net.fit(*data, epochs=epochs, batch_size=BATCH, validation_data=data, callbacks=log)
    return history


def scalars_of(folder):
    """``{(name, step): value}`` of a folder of TensorBoard's: files of records with length and checksums."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in folder.glob("events*"):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_tensorboard(data, net, tmp_path, every):
    pytest.importorskip("tensorboardX")
    steps = []
    log = gn.TensorBoardLog(tmp_path / "run", every)
    keep = lambda net, history: steps.extend(history.step_loss.tolist())  # noqa: E731
    history = net.fit(*data, epochs=2, batch_size=BATCH, validation_data=data, callbacks=[log, keep])
    found = scalars_of(tmp_path / "run")
    wanted = {(name, k + 1): v for name, values in history.figures.items() for k, v in enumerate(values)}
    wanted |= {("examples_per_second", k + 1): v for k, v in enumerate(history.examples_per_second)}
    if every == "step":
        wanted |= {("step/loss", k + 1): v for k, v in enumerate(steps)}
        wanted |= {("step/learning_rate", k + 1): history.learning_rate[0] for k in range(2 * STEPS)}
    assert found == pytest.approx(wanted)


def test_tensorboard_goes_on_in_a_later_fit(data, net, tmp_path):
    pytest.importorskip("tensorboardX")
    log = gn.TensorBoardLog(str(tmp_path), "step")
    fit(net, data, log, 1)
    fit(net, data, log, 2)
    found = scalars_of(tmp_path)
    assert {step for name, step in found if name == "loss"} == {1, 2, 3}
    assert {step for name, step in found if name == "step/loss"} == set(range(1, 3 * STEPS + 1))


def test_the_other_writer_will_do(data, net, tmp_path, monkeypatch):
    calls = []

    class SummaryWriter:
        def __init__(self, folder, filename_suffix):
            calls.append(folder)

        def add_scalar(self, name, value, step):
            calls.append(name)

        def flush(self):
            calls.append("flush")

        def close(self):
            calls.append("close")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    fit(net, data, gn.TensorBoardLog(tmp_path), 1)
    assert calls == [str(tmp_path), *names_of_epoch(), "flush", "close"]


def names_of_epoch():
    return ["loss", "val_loss", "val_accuracy", "learning_rate", "seconds", "examples_per_second"]


class FakeMLflow(types.ModuleType):
    """MLflow's fluent functions and client, as far as they are used."""

    def __init__(self, active):
        super().__init__("mlflow")
        self.run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="theirs")) if active else None
        self.calls, self.metrics = [], {}
        self.entities = types.SimpleNamespace(Metric=lambda key, value, time, step: (key, value, time, step))

    def active_run(self):
        return self.run

    def start_run(self):
        self.calls.append("start")
        self.run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="own"))

    def end_run(self):
        self.calls.append("end")

    def MlflowClient(self):
        def log_batch(run_id, metrics):
            assert 0 < len(metrics) <= 1000  # MLflow's limit
            self.calls.append(run_id)
            self.metrics |= {(key, step): value for key, value, _, step in metrics}
            assert all(abs(ms / 1000 - time.time()) < 60 for _, _, ms, _ in metrics)

        return types.SimpleNamespace(log_batch=log_batch)


@pytest.mark.parametrize("active", [True, False])
def test_mlflow(data, net, monkeypatch, active):
    mlflow = FakeMLflow(active)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    history = fit(net, data, gn.MLflowLog())
    assert mlflow.calls == (["theirs"] * 2 if active else ["start", "own", "own", "end"])
    assert mlflow.metrics == {
        **{(name, k + 1): v for name, values in history.figures.items() for k, v in enumerate(values)},
        **{("examples_per_second", k + 1): v for k, v in enumerate(history.examples_per_second)},
    }


def test_mlflow_by_step_in_batches(rng, net, monkeypatch):
    mlflow = FakeMLflow(True)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    X, y = rng.normal(size=(700, 3)).astype("float32"), np.arange(700) % 2
    history = net.fit(X, y, epochs=1, batch_size=1, callbacks=gn.MLflowLog("step"))
    losses = [mlflow.metrics["step/loss", step] for step in range(1, 701)]
    assert losses == history.step_loss.tolist()
    assert len(mlflow.calls) == 2
    assert mlflow.metrics["loss", 1] == history.loss[0]


class FakeWandb(types.ModuleType):
    def __init__(self, active):
        super().__init__("wandb")
        self.rows, self.defined, self.calls = [], {}, []
        self.run = self.made() if active else None

    def made(self):
        return types.SimpleNamespace(
            log=self.rows.append,
            define_metric=lambda name, step_metric: self.defined.update({name: step_metric}),
            finish=lambda: self.calls.append("finish"),
        )

    def init(self, **settings):
        self.calls.append(settings)
        self.run = self.made()


@pytest.mark.parametrize("active", [True, False])
def test_wandb(data, net, monkeypatch, active):
    wandb = FakeWandb(active)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    history = fit(net, data, gn.WandbLog(project="digits"))
    assert wandb.calls == ([] if active else [{"project": "digits"}, "finish"])
    assert [row["epoch"] for row in wandb.rows] == [1, 2]
    assert [row["val_loss"] for row in wandb.rows] == history.val_loss
    assert list(wandb.rows[0]) == ["epoch", *names_of_epoch()]
    assert wandb.defined == {"*": "epoch", "step/*": "step/update"}


def test_wandb_by_step(data, net, monkeypatch):
    wandb = FakeWandb(True)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    fit(net, data, gn.WandbLog("step"))
    steps = [row for row in wandb.rows if "step/update" in row]
    assert [row["step/update"] for row in steps] == list(range(1, 2 * STEPS + 1))
    assert set(steps[0]) == {"step/update", "step/loss", "step/learning_rate"}
    assert len(wandb.rows) == 2 * STEPS + 2


@pytest.mark.parametrize(
    ("made", "log", "package"),
    [
        (lambda: gn.TensorBoardLog("runs"), "TensorBoardLog", "tensorboardX"),
        (gn.MLflowLog, "MLflowLog", "mlflow"),
        (gn.WandbLog, "WandbLog", "wandb"),
    ],
)
def test_an_error_names_the_package(monkeypatch, made, log, package):
    for name in ("tensorboardX", "torch.utils.tensorboard", "mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
    message = f"^{log} needs {package}, which is not installed; .* pip install {package}"
    with pytest.raises(ImportError, match=message):
        made()


@pytest.mark.parametrize("made", [lambda every: gn.TensorBoardLog("runs", every), gn.MLflowLog, gn.WandbLog])
def test_every(made):
    with pytest.raises(ValueError, match="unknown every 'batch'"):
        made("batch")
