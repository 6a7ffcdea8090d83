"""``gpunet train``."""

import re

import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow


def last_metric(out, name="test accuracy"):
    found = re.fullmatch(rf"{name}: ([\d.e+]+)(?: \(\w+²\))?", out.splitlines()[-1])
    assert found, out
    return float(found[1])


def test_digits_are_the_default(trained):
    _, out = trained()
    assert last_metric(out) >= 0.97
    assert re.search(r"^test accuracy: 0\.9\d\d\d$", out, re.M)


def test_output(good):
    out = good("train", "digits", "--epochs", 2, "--hidden", "16,8", "--backend", "numpy")
    assert "1,438 training examples, 359 test examples" in out
    assert "images of 8 × 8 pixels; 10 classes" in out
    assert "(16, 64)" in out  # the network's summary
    assert "(8, 16)" in out
    assert "program" not in out
    more = good("train", "digits", "--epochs", 2, "--hidden", "16,8", "--backend", "numpy", "--verbose")
    assert re.search(r"^program: \S+", more, re.M)
    assert "numpy on cpu" in " ".join(more.split())
    assert re.search(r"^2 epochs in [\d.]+ s, [\d,]+ examples/s$", out, re.M)
    assert max(map(len, out.splitlines())) <= 80


def test_weights_of_classes_and_smoothed_labels(good):
    given = ["train", "digits", "--epochs", 2, "--hidden", "8", "--backend", "numpy"]
    plain = good(*given)
    for more, said in (
        (["--class-weight", "balanced"], "classes balanced"),
        (["--class-weight", "3=9"], "class weights 3=9"),
        (["--label-smoothing", "0.2"], "label smoothing 0.2"),
    ):
        out = good(*given, *more)
        assert said in " ".join(out.split())
        assert out.splitlines()[-2:] != plain.splitlines()[-2:]


def test_help_lists_every_name(capsys):
    from gpunet.cli import main
    from gpunet.cli.settings import SCHEDULES
    from gpunet.core.activations import ACTIVATIONS
    from gpunet.core.losses import LOSSES
    from gpunet.core.optimizers import OPTIMIZERS
    from gpunet.core.plan import PRECISIONS

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert {*ACTIVATIONS, *LOSSES, *OPTIMIZERS, *SCHEDULES, *PRECISIONS} <= words


@pytest.mark.parametrize("kind", ["one", "several", "one_of_three"])
def test_needles_of_every_kind(trained, kind):
    _, out = trained("needles", "--kind", kind, "--hidden", 32)
    assert last_metric(out) >= 0.95


def test_one_neuron_detects_a_needle(good):
    out = good("train", "needles", "--hidden", "none")
    assert "1 sigmoid" in out
    assert "loss logistic" in out
    assert last_metric(out) >= 0.88


def test_same_seed_same_network(good, tmp_path):
    for name in "ab":
        good("train", "--epochs", 1, "--seed", 5, "--save", tmp_path / name)
    a, b = (gn.load(tmp_path / name) for name in "ab")
    assert all(np.array_equal(W, V) for (W, _), (V, _) in zip(a.parameters, b.parameters, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "gradient_descent"],
        ["--optimizer", "gradient_descent", "--momentum", 0],
        ["--optimizer", "gradient-descent", "--momentum", 0.8, "--nesterov", "--clip-norm", 1],
        ["--optimizer", "rmsprop"],
        ["--optimizer", "adam", "--weight-decay", 0.1],
        ["--schedule", "constant"],
        ["--schedule", "exponential"],
        ["--schedule", "inverse_time"],
        ["--activation", "sigmoid"],
        ["--activation", "tanh", "--dropout", 0.2, "--hidden", "64,32"],
        ["--loss", "squared_error"],
        ["--loss", "logistic"],
        ["--output", "softmax", "--loss", "absolute_error"],
        ["--standardize", "feature", "--dtype", "float64"],
        ["--standardize", "no"],
        ["--batch-size", "full", "--epochs", 200],
        ["--patience", 3],
        ["--validation-fraction", 0.2],
    ],
)
def test_every_option_trains_well(good, options):
    assert last_metric(good("train", "--hidden", "64", *options)) >= 0.93


def test_patience_stops_early(good):
    out = good("train", "--patience", 2, "--epochs", 500, "--learning-rate", 0.02)
    assert "stopped early: val_loss has not improved since epoch" in out
    assert re.search(r"^validation accuracy: (0\.9|1\.0)\d+$", out, re.M)


def test_a_table_with_class_names(trained, flowers):
    net, out = trained(flowers[0])
    assert "numbers: height, width" in out
    assert "target: flower, 3 classes (aster, daisy, poppy)" in out
    assert last_metric(out) >= 0.95
    notes = gn.load(net).notes
    assert notes["class_names"] == ["aster", "daisy", "poppy"]
    assert notes["columns"] == ["height", "width"]


def test_values_of_any_size(good, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) * [1.0, 1000.0, 1e-3]
    y = 250_000 + 40_000 * (X[:, 0] + X[:, 1] / 1000)
    np.savez(tmp_path / "houses.npz", X=X, y=y)
    out = good("train", tmp_path / "houses.npz", "--save", tmp_path / "net")
    r_squared = re.search(r"^test R²: ([\d.]+)$", out, re.M)
    assert float(r_squared[1]) >= 0.98
    assert last_metric(out, "test loss") < 0.02 * y.var() / 2
    # The network predicts in the units of the targets.
    error = gn.load(tmp_path / "net").predict(X)[:, 0] - y
    assert np.abs(error).mean() < 5000


def test_labels_and_one_hot_rows(good, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    np.savez(tmp_path / "labels.npz", X=X, y=(X > 0).astype(float))
    out = good("train", tmp_path / "labels.npz")
    assert "2 sigmoid" in out
    assert last_metric(out) >= 0.95
    np.savez(tmp_path / "one_hot.npz", X=X, y=np.eye(3)[X.argmax(axis=1)])
    out = good("train", tmp_path / "one_hot.npz")
    assert "2 softmax" in out
    assert last_metric(out) >= 0.93


def test_arrays_in_npy_files(good, flowers, tmp_path):
    _, X, names = flowers
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.unique(names, return_inverse=True)[1])
    assert last_metric(good("train", tmp_path / "X.npy", "--target", tmp_path / "y.npy")) >= 0.93


def test_fashion_from_a_folder(good, tmp_path, monkeypatch):
    """--data is handed on to the reader, which has its own tests."""
    folders = []
    monkeypatch.setattr(gn.datasets, "fashion", lambda folder: folders.append(folder) or gn.datasets.digits())
    good("train", "fashion", "--data", tmp_path, "--epochs", 1)
    assert folders == [tmp_path]


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "least"), [("sigmoid", 0.98), ("relu", 0.982)])
def test_full_mnist(good, mnist, activation, least, monkeypatch):
    monkeypatch.setattr(gn.datasets, "mnist", lambda folder: mnist)
    out = good("train", "mnist", "--hidden", 256, "--activation", activation, "--epochs", 8)
    assert last_metric(out) >= least
