"""Options become a network, an optimizer and a schedule; defaults depend on the data."""

import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

import gpunet as gn
from gpunet.cli.data import of_arrays, of_table
from gpunet.cli.options import build_parser
from gpunet.cli.report import figures, format_number, r_squared, run_report, settings_report
from gpunet.cli.settings import (
    build_network,
    build_optimizer,
    choose_batch_size,
    choose_epochs,
    class_weights,
    early_stopping,
    validation_fraction,
)
from gpunet.cli.target_scaling import TargetScaling, scaled, target_scaling, unscale_output
from gpunet.core.default_optimizer import RATES
from gpunet.datasets import Dataset


def options(*arguments):
    return build_parser().parse_args(["train", *map(str, arguments)])


def dataset(y, names=None, image_shape=None):
    X = np.random.default_rng(0).normal(size=(len(y), 4)).astype("float32")
    return of_arrays(Dataset(X, y, X, y, "toy", image_shape, names))


TWO = dataset(np.array([0, 1, 1]), ("a", "b"))
THREE = dataset(np.array([0, 1, 2]), ("a", "b", "c"))
ONE_HOT = dataset(np.eye(3, dtype="float32"))
LABELS = dataset(np.float32([[1, 1], [0, 1], [0, 0]]))
VALUES = dataset(np.float32([[1.5], [2.5], [7.0]]))
ROWS = {"x": np.arange(800) / 3, "y": np.arange(800) % 2}
TABLE = of_table(gn.datasets.read_table(ROWS, target="y"), 0.2)


@pytest.mark.parametrize(
    ("data", "arguments", "kind", "output", "loss"),
    [
        (TWO, [], "classes", (1, "sigmoid"), "logistic"),
        (TWO, ["--loss", "cross_entropy"], "classes", (2, "softmax"), "cross_entropy"),
        (TWO, ["--output", "softmax"], "classes", (2, "softmax"), "cross_entropy"),
        (THREE, [], "classes", (3, "softmax"), "cross_entropy"),
        (THREE, ["--loss", "logistic"], "classes", (3, "sigmoid"), "logistic"),
        (ONE_HOT, [], "classes", (3, "softmax"), "cross_entropy"),
        (LABELS, [], "labels", (2, "sigmoid"), "logistic"),
        (VALUES, [], "values", (1, "identity"), "squared_error"),
        (VALUES, ["--output", "relu"], "values", (1, "relu"), "squared_error"),
    ],
)
def test_output_layer_and_loss(data, arguments, kind, output, loss):
    assert data.kind == kind
    net = build_network(options(*arguments), data)
    assert (net.layers[-1].units, net.layers[-1].activation) == output
    assert net.loss == loss


def test_network_options():
    arguments = [
        "--hidden",
        "7,5",
        "--activation",
        "tanh",
        "--dropout",
        0.25,
        "--dtype",
        "float64",
        "--seed",
        3,
    ]
    net = build_network(options(*arguments, "--backend", "numpy"), THREE)
    assert [(layer.units, layer.activation) for layer in net.layers] == [
        (7, "tanh"),
        (5, "tanh"),
        (3, "softmax"),
    ]
    assert "0.25" in net.summary()
    assert net.dtype == "float64"
    same = gn.Network(
        [gn.Dense(7, "tanh"), gn.Dense(5, "tanh"), gn.Dense(3, "softmax")], inputs=4, seed=3, dtype="float64"
    )
    np.testing.assert_array_equal(net.parameters[0][0], same.parameters[0][0])


@pytest.mark.parametrize(
    ("how", "shape", "per"),
    [
        ("auto", None, "feature"),
        ("auto", (2, 2), "set"),
        ("feature", (2, 2), "feature"),
        ("set", None, "set"),
    ],
)
def test_standardizer(how, shape, per):
    data = dataset(np.array([0, 1, 2]), ("a", "b", "c"), shape)
    assert build_network(options("--standardize", how), data).standardizer.per == per
    assert build_network(options("--standardize", "no"), data).standardizer is None


@pytest.mark.parametrize(
    ("given", "data", "weights"),
    [
        ([], THREE, None),
        (["--class-weight", "balanced"], THREE, "balanced"),
        (["--class-weight", "Balanced"], TABLE, "balanced"),
        (["--class-weight", "b=2.5,c=0"], THREE, [1.0, 2.5, 0.0]),
        (["--class-weight", " b = 4"], TWO, [1.0, 4.0]),
        (["--class-weight", "2=4"], ONE_HOT, [1.0, 1.0, 4.0]),
        (["--class-weight", "1=4"], TABLE, [1.0, 4.0]),
    ],
)
def test_class_weights(given, data, weights):
    assert class_weights(options(*given), data) == weights


@pytest.mark.parametrize("given", ["b", "b=x", "b=-1", "=2", "b=inf", "b=1,,c=2", "unbalanced"])
def test_what_is_no_class_weight(given):
    with pytest.raises(ValueError, match="expected balanced, or a weight of at least 0 for each class"):
        options("--class-weight", given)


def test_class_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="names class 'd'; classes are a, b, c"):
        class_weights(options("--class-weight", "d=1"), THREE)
    for data, kind in ((LABELS, "labels"), (VALUES, "values")):
        with pytest.raises(ValueError, match=f"--class-weight needs classes; .* are {kind}"):
            class_weights(options("--class-weight", "balanced"), data)


def test_optimizer_options():
    plain = build_optimizer(options("--optimizer", "gradient-descent"), THREE, 1, 10)
    assert (plain.momentum, plain.nesterov, plain.weight_decay, plain.clip_norm) == (0.9, False, 0.0, None)
    arguments = ["--momentum", 0.5, "--nesterov", "--weight-decay", 0.2, "--clip-norm", 3]
    given = build_optimizer(options("--optimizer", "gradient_descent", *arguments), THREE, 1, 10)
    assert isinstance(given, gn.GradientDescent)
    assert (given.momentum, given.nesterov, given.weight_decay, given.clip_norm) == (0.5, True, 0.2, 3.0)
    assert build_optimizer(options(), THREE, 1, 10).weight_decay == 0.01
    assert build_optimizer(options("--weight-decay", 0), THREE, 1, 10).weight_decay == 0


@pytest.mark.parametrize(
    ("schedule", "last"), [("cosine", 0.0), ("exponential", 0.01), ("inverse_time", 0.1)]
)
def test_schedules_over_the_planned_updates(schedule, last):
    rate = build_optimizer(
        options("--schedule", schedule, "--learning-rate", 0.2), THREE, 9, 100
    ).learning_rate
    assert rate(0, 900) == pytest.approx(0.2)
    assert rate(450, 900) < 0.2
    assert rate(900, 900) == pytest.approx(0.2 * last, abs=1e-9)
    assert build_optimizer(options("--schedule", "constant"), THREE, 9, 100).learning_rate == RATES["adamw"]


def test_default_rates():
    for name, rate in RATES.items():
        chosen = options("--optimizer", name, "--schedule", "constant")
        assert build_optimizer(chosen, THREE, 1, 1).learning_rate == rate
        chosen.activation = "sigmoid"
        assert build_optimizer(chosen, THREE, 1, 1).learning_rate == rate * (
            1 if name == "gradient_descent" else 2.5
        )


def test_sizes_and_epochs():
    assert [choose_batch_size(options(), m) for m in (1000, 10)] == [64, 10]
    assert choose_batch_size(options("--batch-size", "full"), 800) == 800
    assert choose_batch_size(options("--batch-size", 7), 1000) == 7
    assert [choose_epochs(options(), THREE, steps) for steps in (1, 20, 938)] == [300, 100, 20]
    assert choose_epochs(options("--epochs", 4), TABLE, 20) == 4
    assert [
        validation_fraction(options(*a)) for a in ([], ["--patience", 2], ["--validation-fraction", 0.3])
    ] == [0, 0.1, 0.3]


def test_defaults_for_tables():
    assert [choose_epochs(options(), TABLE, steps) for steps in (1, 50, 938)] == [300, 100, 20]
    assert TABLE.training.m == 640
    assert build_optimizer(options(), TABLE, 1, 1).weight_decay == 1000 / 640
    assert build_optimizer(options("--weight-decay", 0.5), TABLE, 1, 1).weight_decay == 0.5
    assert build_optimizer(options("--optimizer", "adam"), TABLE, 1, 1).weight_decay == 0.0
    assert early_stopping(options()) == []
    assert [callback.patience for callback in early_stopping(options("--patience", 4))] == [4]


def test_for_table_trains_as_the_command_line_does():
    network = build_network(options("--backend", "numpy"), TABLE)
    steps = 10
    epochs = choose_epochs(options(), TABLE, steps)
    history = network.fit(
        *TABLE.training,
        optimizer=build_optimizer(options(), TABLE, epochs, steps),
        epochs=epochs,
        batch_size=choose_batch_size(options(), TABLE.training.m),
    )
    table = gn.Network.for_table(TABLE.training.X, seed=0, backend="numpy")
    assert table.fit(TABLE.training.X).loss == history.loss


def test_unscaled_outputs_are_in_the_units_of_the_targets():
    X = np.random.default_rng(0).normal(size=(5, 4))
    net = gn.Network([gn.Dense(3, "tanh"), gn.Dense(2)], inputs=4, seed=0, backend="numpy", dtype="float64")
    (W1, b1), (W2, b2) = net.parameters
    net.set_parameters([(W1, b1), (W2, b2 + np.array([[0.5], [-2.0]]))])
    before, scaling = net.predict(X), TargetScaling(np.array([100.0, -7.0]), np.array([10.0, 0.1]))
    unscale_output(net, scaling)
    np.testing.assert_allclose(net.predict(X), before * scaling.deviation + scaling.mean, rtol=1e-12)


def test_targets_are_scaled_for_linear_outputs_only():
    scaling = target_scaling(build_network(options(), VALUES), VALUES)
    y = VALUES.training.y
    assert scaling.mean == pytest.approx(y.mean())
    assert scaling.deviation == pytest.approx(y.std())
    flat = dataset(np.float32([[2.0], [2.0]]))
    assert target_scaling(build_network(options(), flat), flat).deviation == 1.0
    assert target_scaling(build_network(options("--output", "relu"), VALUES), VALUES) is None
    assert target_scaling(build_network(options(), THREE), THREE) is None
    np.testing.assert_allclose(scaled(VALUES.training, scaling).y.std(), 1.0)
    assert scaled(THREE.training, None) is THREE.training


def test_report():
    net = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
    X, y = THREE.training
    history = net.fit(X, y, epochs=2)
    history = dataclasses.replace(history, seconds=[0.25, 0.25], stopped="no improvement")
    assert "program" not in run_report(history)
    report = run_report(history, verbose=True).splitlines()
    assert report[-len(run_report(history).splitlines()) :] == run_report(history).splitlines()
    start = report.index("stopped early: no improvement")
    assert " ".join(report[:start]).startswith("program: ")
    assert report[start + 1 :] == ["2 epochs in 0.5 s, 12 examples/s"]
    history.precision = "tf32"
    assert run_report(history).endswith("2 epochs in 0.5 s, 12 examples/s, products in tf32")
    one = dataclasses.replace(net.fit(X, y, epochs=1), seconds=[0.25], stopped="", precision="float32")
    assert run_report(one) == "1 epoch in 0.2 s, 12 examples/s"
    settings = options("mnist", "--optimizer", "adam", "--schedule", "constant")
    for epochs, told in ((1, "1 epoch, seed"), (2, "2 epochs, seed")):
        assert told in settings_report(settings, build_optimizer(settings, THREE, epochs, 3), epochs, 1)
    loss = net.evaluate(X, y)["loss"]
    lines = figures(net, THREE.training, "training", "y")
    assert lines[0] == f"training loss: {loss:.4f}"
    assert [line.partition(":")[0] for line in lines] == ["training loss", "training accuracy"]


def test_figures_of_values_have_a_unit():
    net = build_network(options("--backend", "numpy"), VALUES)
    first, second = figures(net, VALUES.test, "test", "price")
    assert first.startswith("test R²: ")
    assert second == f"test loss: {net.evaluate(*VALUES.test)['loss']:.4f} (price²)"


def test_numbers():
    assert [format_number(value) for value in (0.123456, 999.0, 123456.789)] == [
        "0.1235",
        "999.0000",
        "123457",
    ]
    y = np.array([[0.0, 5.0], [2.0, 5.0]])
    assert r_squared(y, y) == 1.0
    wrong = np.array([[1.0, 4.0], [1.0, 6.0]])
    for some in (y, np.array([[0.0, 5.0], [2.0, 6.0], [4.0, 4.0]])):
        predicted = np.resize(wrong, some.shape)
        assert r_squared(some, predicted) == pytest.approx(r2_score(some, predicted))
    assert r_squared(y[:, 1:], wrong[:, 1:]) == 0.0  # as of a constant column
    assert math.isnan(r_squared(y[:1], y[:1]))  # nothing to compare it with
