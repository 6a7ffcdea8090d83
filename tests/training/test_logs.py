"""Logs in files: what is written, when it is on the disk, and what happens to files that are there already."""

import csv
import json
import math

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.logs import file_log

M, BATCH = 12, 5
STEPS = 3
EPOCH = ["epoch", "loss", "learning_rate", "seconds", "examples_per_second"]


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, 3)).astype("float32"), np.arange(M) % 2


@pytest.fixture
def net():
    return gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_row_per_epoch(data, net, tmp_path, name):
    X, y = data
    path, lengths = tmp_path / name, []
    log = {"run.csv": gn.CSVLog, "run.jsonl": gn.JSONLog}[name](str(path))
    settings = {"epochs": 3, "batch_size": BATCH, "validation_data": (X, y), "metrics": ["f1"]}
    history = net.fit(
        X, y, callbacks=[log, lambda net, history: lengths.append(len(rows_of(path)))], **settings
    )
    assert lengths == [1, 2, 3]  # each epoch is on the disk before the next one begins
    rows = rows_of(path)
    assert list(rows[0]) == [
        *("epoch", "loss", "val_loss", "val_accuracy", "val_f1"),
        *("learning_rate", "seconds", "examples_per_second"),
    ]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for figure, values in history.figures.items():
        assert [float(row[figure]) for row in rows] == values  # to the last digit
    assert [float(row["examples_per_second"]) for row in rows] == history.examples_per_second

    again = net.fit(X, y, callbacks=log, **settings)
    assert [int(row["epoch"]) for row in rows_of(path)] == [1, 2, 3, 4, 5, 6]
    assert [float(row["loss"]) for row in rows_of(path)] == history.loss + again.loss


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_row_per_step(data, net, tmp_path, name):
    X, y = data
    path, seen = tmp_path / name, []
    log = {"run.csv": gn.CSVLog, "run.jsonl": gn.JSONLog}[name](path, every="step")

    def keep(net, history):
        seen.extend(zip(history.step_loss.tolist(), history.step_learning_rate.tolist(), strict=True))

    optimizer = gn.Adam(gn.Exponential(0.1, factor=0.5, every=1))
    history = net.fit(X, y, optimizer=optimizer, epochs=2, batch_size=BATCH, callbacks=[keep, log])
    rows = rows_of(path)
    assert list(rows[0]) == ["epoch", "step", "loss", "learning_rate"]
    assert [(int(row["epoch"]), int(row["step"])) for row in rows] == [
        (epoch, step) for epoch in (1, 2) for step in (1, 2, 3)
    ]
    assert [(float(row["loss"]), float(row["learning_rate"])) for row in rows] == seen
    assert [rate for _, rate in seen] == pytest.approx([0.1 * 0.5**step for step in range(6)])
    sizes = [5, 5, 2]
    assert np.average([loss for loss, _ in seen[3:]], weights=sizes) == pytest.approx(history.loss[1])


def test_the_steps_of_the_first_epoch_are_losses_before_each_update(data):
    X, y = data
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, inputs=3, backend="numpy")
    wanted = [net.evaluate(X[first : first + BATCH], y[first : first + BATCH])["loss"] for first in (0,)]
    history = net.fit(X, y, epochs=1, batch_size=BATCH, shuffle=False)
    assert history.step_loss.shape == history.step_learning_rate.shape == (STEPS,)
    assert float(history.step_loss[0]) == pytest.approx(wanted[0])
    assert history == history
    assert "step_loss" not in repr(history)


def test_steps_of_values_are_in_their_own_unit(rng):
    x = rng.normal(size=50)
    table = gn.datasets.read_table({"x": x, "price": 1e4 * x}, target="price")
    net = gn.Network.for_table(table, hidden=(4,), seed=0, backend="numpy")
    history = net.fit(table, epochs=2, batch_size=25)
    assert history.step_loss.mean() == pytest.approx(history.loss[-1])
    assert history.loss[-1] > 1e6


def test_a_later_run_with_more_figures_adds_columns(data, net, tmp_path):
    X, y = data
    path = tmp_path / "run.csv"
    log = gn.CSVLog(path)
    net.fit(X, y, epochs=2, callbacks=log)
    before = rows_of(path)
    assert list(before[0]) == EPOCH
    net.fit(X, y, epochs=1, validation_data=(X, y), callbacks=log)
    rows = rows_of(path)
    assert list(rows[0]) == [*EPOCH, "val_loss", "val_accuracy"]
    assert [{name: row[name] for name in EPOCH} for row in rows[:2]] == before
    assert [row["val_loss"] for row in rows[:2]] == ["", ""]
    assert float(rows[2]["val_loss"]) > 0
    net.fit(X, y, epochs=1, callbacks=gn.CSVLog(path))
    assert rows_of(path)[3]["val_loss"] == ""
    assert int(rows_of(path)[3]["epoch"]) == 4


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_half_a_row_of_a_crash_stays_a_line_of_its_own(data, net, tmp_path, name):
    path = tmp_path / name
    log = file_log(path)
    net.fit(*data, epochs=2, callbacks=log)
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[-1][:10])
    net.fit(*data, epochs=1, callbacks=log)
    lines = path.read_text().splitlines()
    assert len(lines) == len(whole.splitlines()) + 2
    assert len(lines[-1]) > 30


def test_names_of_metrics_in_any_script(data, net, tmp_path):
    X, y = data
    path = tmp_path / "run.csv"
    for name in ("genauigkeit, größte", "точность"):
        metrics = {name: lambda y_true, y_pred: 0.5}
        net.fit(X, y, epochs=1, validation_data=(X, y), metrics=metrics, callbacks=gn.CSVLog(path))
    rows = rows_of(path)
    assert [row["val_genauigkeit, größte"] for row in rows] == ["0.5", ""]
    assert [row["val_точность"] for row in rows] == ["", "0.5"]
    assert path.read_bytes().count(b"\r") == 0


def test_what_is_not_finite_is_null_in_json(data, net, tmp_path):
    X, y = data
    path = tmp_path / "run.jsonl"
    values = {
        "a": lambda y_true, y_pred: math.nan,
        "b": lambda y_true, y_pred: -math.inf,
        "c": lambda y_true, y_pred: 0.5,
    }
    with pytest.warns(gn.UndefinedMetric):
        net.fit(X, y, epochs=1, validation_data=(X, y), metrics=values, callbacks=gn.JSONLog(path))
    (row,) = (
        json.loads(line, parse_constant=lambda word: pytest.fail(word))
        for line in path.read_text().splitlines()
    )
    assert (row["val_a"], row["val_b"], row["val_c"]) == (None, None, 0.5)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", "height,width\n1,2\n"),
        ("data.csv", "epochs,loss\n"),
        ("data.jsonl", '{"loss": 1}\n'),
        ("data.jsonl", "[1]\n"),
        ("data.jsonl", "epoch\n"),
    ],
)
def test_files_of_others_are_left_alone(data, net, tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=f"{name} exists and is not such a log: choose another file"):
        net.fit(*data, epochs=1, callbacks=file_log(path))
    assert path.read_text() == content
    assert net.epochs_trained == 0


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_what_is_no_text_is_left_alone(data, net, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\xff\xfe\n")
    with pytest.raises(ValueError, match="is not such a log"):
        net.fit(*data, epochs=1, callbacks=file_log(path))
    assert path.read_bytes() == b"\x89PNG\xff\xfe\n"


def test_half_a_letter_of_a_crash_does_not_end_a_run(data, net, tmp_path):
    X, y = data
    path = tmp_path / "run.csv"
    net.fit(X, y, epochs=1, callbacks=gn.CSVLog(path))
    path.write_bytes(path.read_bytes() + b"2,\xc3")
    net.fit(X, y, epochs=1, validation_data=(X, y), callbacks=gn.CSVLog(path))
    rows = rows_of(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "2"]
    assert float(rows[2]["val_loss"]) > 0


@pytest.mark.parametrize("kind", [gn.CSVLog, gn.JSONLog])
def test_a_log_is_opened_before_the_first_epoch(net, kind, tmp_path):
    log = kind(tmp_path / "run")
    assert log.first_line() == ""
    log.start(net)
    assert (tmp_path / "run").read_bytes() == b""
    assert log.first_line() == ""


def test_mistakes(data, net, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        net.fit(*data, epochs=1, callbacks=gn.CSVLog(tmp_path / "no" / "run.csv"))
    with pytest.raises(IsADirectoryError):
        net.fit(*data, epochs=1, callbacks=gn.JSONLog(tmp_path))
    assert net.inputs is None
    with pytest.raises(ValueError, match="unknown every 'update'"):
        gn.CSVLog(tmp_path / "run.csv", every="update")
    with pytest.raises(ValueError, match=r"a log file ends in \.csv or \.jsonl; got 'run\.txt'"):
        file_log("run.txt")
    assert isinstance(file_log("RUN.CSV"), gn.CSVLog)
    assert file_log("run.jsonl", "step").every == "step"


@pytest.mark.parametrize("every", ["epoch", "step"])
@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_run_that_goes_on_has_each_row_once(data, tmp_path, name, every):
    """Rows that were written after the checkpoint are removed; those of the epochs before it stay."""

    def fit(log, stop):
        def stopping(net, history):
            if history.epochs == stop:
                raise KeyError

        net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
        checkpoint = gn.Checkpoint(tmp_path / f"of {log}", every="epoch")
        callbacks = [file_log(tmp_path / log, every), stopping]
        net.fit(*data, epochs=5, batch_size=BATCH, callbacks=callbacks, checkpoint=checkpoint)

    whole = f"whole-{name}"
    fit(whole, None)
    with pytest.raises(KeyError):
        fit(name, 4)
    assert len(rows_of(tmp_path / name)) == 4 * (1 if every == "epoch" else STEPS)
    with pytest.raises(gn.AnotherRun, match="callbacks"):  # they are part of the call
        gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy").fit(
            *data, epochs=5, batch_size=BATCH, checkpoint=tmp_path / f"of {name}"
        )
    fit(name, 4.5)
    found, expected = rows_of(tmp_path / name), rows_of(tmp_path / whole)
    for row in (*found, *expected):  # times differ
        row.pop("seconds", None)
        row.pop("examples_per_second", None)
    assert found == expected


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
@pytest.mark.parametrize("kept", [1, 3, 9, 14])
def test_a_crash_in_the_first_line(data, net, tmp_path, name, kept):
    """The log begins afresh: the same script goes on after a power cut."""
    path = tmp_path / name
    net.fit(*data, epochs=2, callbacks=file_log(path))
    names = [list(row) for row in rows_of(path)]
    path.write_text(path.read_text()[:kept])
    net.fit(*data, epochs=2, callbacks=file_log(path))
    assert [list(row) for row in rows_of(path)] == names


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_text_of_one_line_is_left_alone(data, net, tmp_path, name):
    path = tmp_path / name
    path.write_text("epochs of history")
    with pytest.raises(ValueError, match="exists and is not such a log"):
        net.fit(*data, epochs=1, callbacks=file_log(path))
    assert path.read_text() == "epochs of history"


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_file_that_somebody_removes_is_begun_again(data, net, tmp_path, name):
    """It ends no run, also where a checkpoint counts its lines."""

    def removing(net, history):
        if history.epochs == 2:
            (tmp_path / name).unlink()

    checkpoint = gn.Checkpoint(tmp_path / "checkpoints", every="epoch")
    callbacks = [file_log(tmp_path / name), removing]
    history = net.fit(*data, epochs=4, batch_size=BATCH, callbacks=callbacks, checkpoint=checkpoint)
    assert history.epochs == 4
    assert [int(row["epoch"]) for row in rows_of(tmp_path / name)] == [3, 4]
