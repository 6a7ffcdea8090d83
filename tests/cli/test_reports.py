"""Metrics, logs, class reports and the learning-rate finder on the command line."""

import csv
import json
import re

import numpy as np
import pytest

pytestmark = pytest.mark.slow

FAST = ("--epochs", 3, "--hidden", 16, "--backend", "numpy")


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """Prices of about 250,000: a network is trained on standardised ones."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    path = tmp_path_factory.mktemp("houses") / "houses.npz"
    np.savez(path, X=X, y=250_000 + 40_000 * X[:, 0])
    return path


def figure(out, name):
    """The number behind a name, at the start of a line."""
    return float(re.search(rf"^{re.escape(name)}: (-?[\d.e+]+)", out, re.M)[1])


def test_metrics_of_classes(trained, good, tmp_path):
    net, out = trained("digits", *FAST, "--metrics", "f1_macro, roc_auc_ovr")
    assert "144 for validation" in out  # a tenth
    for part in ("training", "validation", "test"):
        assert 0.1 < figure(out, f"{part} f1_macro") < 1.0
        assert 0.5 < figure(out, f"{part} roc_auc_ovr") < 1.0
    assert max(map(len, out.splitlines())) <= 80
    again = good("evaluate", net, "digits", "--metrics", "f1_macro")
    assert figure(again, "f1_macro") == figure(out, "test f1_macro")


def test_metrics_of_values_are_in_their_own_unit(good, houses, tmp_path):
    log = tmp_path / "run.csv"
    options = ("--metrics", "mean_absolute_error,r2", "--log", log, "--save", tmp_path / "net")
    out = good("train", houses, *FAST, *options)
    with log.open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["val_mean_absolute_error"]) > 1000
    assert float(last["val_mean_absolute_error"]) == pytest.approx(
        figure(out, "validation mean_absolute_error"), rel=1e-3
    )
    assert float(last["val_r2"]) == pytest.approx(figure(out, "validation r2"), abs=1e-3)
    assert "by true class" not in out
    assert "\n\n\n" not in out
    again = good("evaluate", tmp_path / "net", houses, "--metrics", "mean_absolute_error")
    assert figure(again, "mean_absolute_error") == figure(out, "test mean_absolute_error")


def test_the_log(good, tmp_path):
    good("train", "digits", *FAST, "--log", tmp_path / "run.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[0]["loss"] > rows[2]["loss"]


def test_class_reports(trained, good, tmp_path):
    net, out = trained("digits", *FAST)
    lines = out.splitlines()
    start = lines.index("test examples by true class (rows) and predicted class (columns):")
    assert lines[start + 1].split() == [*"0123456789", "precision", "recall"]
    rows = [line.split() for line in lines[start + 2 : start + 12]]
    assert [row[0] for row in rows] == list("0123456789")
    assert sum(int(cell) for row in rows for cell in row[1:11] if cell != "·") == 359
    plain = good("evaluate", net, "digits")
    assert "\n".join(lines[start + 1 : start + 12]) in plain
    assert plain.splitlines()[-1].startswith("accuracy: ")
    drawn = good("evaluate", net, "digits", "--plot", tmp_path / "matrix.png")
    assert f"plot: {tmp_path / 'matrix.png'}" in drawn
    assert (tmp_path / "matrix.png").stat().st_size > 1000


def test_class_names_and_the_second_plot(good, flowers, tmp_path):
    out = good("train", flowers[0], *FAST, "--plot", tmp_path / "run.png")
    assert f"plot: {tmp_path / 'run.png'}\nplot: {tmp_path / 'run-confusion.png'}\n" in out
    assert (tmp_path / "run-confusion.png").stat().st_size > 1000
    assert re.search(r"^ +A +B +C +precision +recall$", out, re.M)
    assert re.search(r"^C poppy ", out, re.M)


def test_labels(good, tmp_path):
    out = good("train", "needles", "--kind", "several", *FAST, "--plot", tmp_path / "run.png")
    assert "test examples by label:" in out
    assert re.search(r"^ +examples +precision +recall$", out, re.M)
    assert not (tmp_path / "run-confusion.png").exists()


def test_a_learning_rate_is_found(good, houses):
    out = good("train", "digits", "--hidden", 32, "--epochs", 20, "--learning-rate", "find")
    rate = float(re.search(r"learning rate ([\d.]+) \(cosine\)", out)[1])
    assert 1e-3 < rate < 0.1
    assert figure(out, "test accuracy") > 0.95
    out = good("train", houses, "--learning-rate", "FIND", "--optimizer", "gradient_descent")
    assert figure(out, "test R²") > 0.9


@pytest.mark.filterwarnings("always::gpunet.UndefinedMetric")
def test_an_undefined_metric_is_a_line_of_warning(gpunet, tmp_path):
    numbers = np.random.default_rng(0).normal(size=60)
    for name, words in (("both", ["no", "yes"]), ("one", ["yes"])):
        rows = [f"{x:.4f},{words[k % len(words)]}" for k, x in enumerate(numbers)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,answer", *rows]) + "\n")
    code, _, err = gpunet("train", tmp_path / "both.csv", *FAST, "--save", tmp_path / "net")
    assert code == 0, err
    code, out, err = gpunet("evaluate", tmp_path / "net", tmp_path / "one.csv", "--metrics", "roc_auc")
    assert code == 0, err
    assert err.startswith("gpunet: warning: metric 'roc_auc': Only one class")
    assert err.count("\n") == 1
    assert "roc_auc: nan" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metrics", "f1"], "metric 'f1' failed"),
        (["--metrics", "f1_makro"], "Did you mean 'f1_macro'"),
        (["--metrics", "f1_macro", "--validation-fraction", 0], "--metrics needs validation data"),
        (["--log", "run.txt"], "a log file ends in .csv or .jsonl; got 'run.txt'"),
        (["--log", "no/run.csv"], "--log: there is no folder"),
        (["--learning-rate", "high"], "expected a number greater than 0, or find; got 'high'"),
        (["--learning-rate", "find", "--batch-size", 5000], "--batch-size is 5000"),
    ],
)
def test_mistakes(gpunet, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    try:
        code, _, err = gpunet("train", "digits", *FAST, *options)
    except SystemExit as stop:
        code, err = stop.code, "argument"
    assert code == 2
    assert message in err or err == "argument"


def test_a_plot_without_a_known_ending(bad, trained):
    net, _ = trained("digits", *FAST)
    assert "a plot file ends in" in bad("evaluate", net, "digits", "--plot", "matrix.txt")


def test_a_scaled_metric_that_does_not_fit_is_found_before_training(bad, houses):
    assert "metric 'f1' failed" in bad("train", houses, *FAST, "--metrics", "f1")
