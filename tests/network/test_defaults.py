"""Training with nothing but layers and data: the default optimizer, names, and the warning of unscaled inputs."""

import os
import warnings

import numpy as np
import pytest

import gpunet as gn
from gpunet.cli.data import DataOptions, open_data
from gpunet.cli.options import build_parser
from gpunet.cli.settings import build_optimizer


@pytest.fixture
def data(rng):
    X = rng.standard_normal((40, 3))
    return X, (X[:, 0] > 0).astype(int)


def network(hidden="relu", **more):
    return gn.Network([gn.Dense(4, hidden), gn.Dense(1, "sigmoid")], seed=0, backend="numpy", **more)


def weights_after(data, hidden="relu", **more):
    net = network(hidden)
    net.fit(*data, epochs=2, **more)
    return np.concatenate([p.ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize(("hidden", "rate"), [("relu", 2e-3), ("sigmoid", 5e-3), ("tanh", 2e-3)])
def test_the_default_is_adam_at_the_rate_of_the_command_line(data, hidden, rate):
    default = weights_after(data, hidden)
    assert np.array_equal(default, weights_after(data, hidden, optimizer=gn.Adam(rate)))
    options = ["train", "--optimizer", "adam", "--schedule", "constant", "--activation", hidden]
    source = open_data(DataOptions("digits"))
    assert build_optimizer(build_parser().parse_args(options), source, 1, 1) == gn.Adam(rate)


def test_a_sigmoid_output_alone_changes_no_rate(data):
    one, two = (gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy") for _ in range(2))
    one.fit(*data)
    two.fit(*data, optimizer=gn.Adam(2e-3))
    assert np.array_equal(one.parameters[0][0], two.parameters[0][0])


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("adam", gn.Adam(2e-3)),
        ("Adam", gn.Adam(2e-3)),
        ("AdamW", gn.AdamW(2e-3)),
        ("rmsprop", gn.RMSprop(1e-3)),
        ("RMSProp", gn.RMSprop(1e-3)),
        ("sgd", gn.GradientDescent(0.5, momentum=0.9)),
        ("gradient-descent", gn.GradientDescent(0.5, momentum=0.9)),
        ("GradientDescent", gn.GradientDescent(0.5, momentum=0.9)),
    ],
)
def test_optimizers_by_name(data, name, optimizer):
    assert np.array_equal(weights_after(data, optimizer=name), weights_after(data, optimizer=optimizer))


def test_a_second_fit_goes_on(data):
    """The default is equal to itself: its moments are kept."""
    once, twice = network(), network()
    once.fit(*data, epochs=4)
    twice.fit(*data, epochs=2)
    twice.fit(*data, epochs=2, optimizer="adam")
    assert np.array_equal(once.parameters[0][0], twice.parameters[0][0])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mse", "'squared_error' here: ½ Σ (a − y)²"),
        ("Mean-Squared-Error", "'squared_error' here: ½ Σ (a − y)²"),
        ("MAE", "'absolute_error' here: Σ |a − y|"),
        ("bce", "'logistic' here"),
        ("binary_crossentropy", "'logistic' here"),
        ("BCEWithLogitsLoss", "'logistic' here"),
        ("categorical_crossentropy", "'cross_entropy' here"),
        ("sparse_categorical_crossentropy", "'cross_entropy' here"),
        ("CrossEntropyLoss", "'cross_entropy' here"),
        ("logistik", "Did you mean 'logistic'?"),
    ],
)
def test_names_of_losses_elsewhere(name, meant, capsys):
    from gpunet.cli import main

    with pytest.raises(ValueError) as caught:
        network(loss=name)
    assert meant in str(caught.value)
    assert main(["train", "--loss", name]) == 2
    assert meant.split(":")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "meant"), [("linear", "identity"), ("swish", "silu"), ("LeakyReLU", "leaky_relu")]
)
def test_names_of_activations_elsewhere(name, meant):
    with pytest.raises(ValueError, match=f"It is '{meant}' here"):
        gn.Dense(3, name)


def test_names_that_are_meant_exist():
    from gpunet.core import activations, losses, other_names

    assert {meant.name for meant in other_names.LOSSES_ELSEWHERE.values()} == set(losses.LOSSES)
    assert {m.name for m in other_names.ACTIVATIONS_ELSEWHERE.values()} < set(activations.ACTIVATIONS)


def test_targets_in_a_column(backend, rng):
    """Class numbers of shape (m, 1) train and evaluate as (m,) does."""
    X, y = rng.standard_normal((20, 3)), np.arange(20) % 4
    figures = []
    for targets in (y, y[:, None]):
        net = gn.Network([gn.Dense(4, "softmax")], seed=0, backend=backend.name)
        net.fit(X, targets, epochs=2, validation_data=(X, targets), class_weight=[1, 2, 3, 4])
        figures.append(net.evaluate(X, targets))
    assert figures[0] == figures[1]
    assert "accuracy" in figures[0]


@pytest.fixture(scope="module")
def pixels():
    """The digits as integers from 0 to 16."""
    X, y, X_test, y_test = gn.datasets.digits()
    return *(np.rint(16 * A).astype("uint8") for A in (X, X_test)), y, y_test


# GPUNET_SEEDS=10 runs seeds 0 to 9.
SEEDS = max(3, int(os.environ.get("GPUNET_SEEDS", "3")))
EVERY_SEED = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, SEEDS))]


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("seed", EVERY_SEED)
def test_pixels_as_they_are_learn_with_all_defaults(pixels, hidden, seed):
    X, X_test, y, y_test = pixels
    for units in (16, 64, 256):
        net = gn.Network([gn.Dense(units, hidden), gn.Dense(10, "softmax")], seed=seed, backend="numpy")
        net.fit(X, y)
        assert net.evaluate(X_test, y_test)["accuracy"] >= 0.93


@pytest.mark.parametrize(("scale", "least"), [(4, 0.96), (16, 0.93)])
def test_larger_pixels_too(pixels, scale, least):
    X, X_test, y, y_test = pixels
    net = gn.Network([gn.Dense(64, "relu"), gn.Dense(10, "softmax")], seed=1, backend="numpy")
    with pytest.warns(gn.UnscaledInputs):
        net.fit(X * np.float32(scale), y)
    assert net.evaluate(X_test * np.float32(scale), y_test)["accuracy"] >= least


def test_the_start_suits_the_size_of_the_inputs(backend, rng, monkeypatch):
    """Only where all is left to the defaults, and once."""
    monkeypatch.setattr("gpunet.core.default_optimizer.RATES", {"adam": 1e-30})
    X, y = 16 * rng.choice([-1.0, 1.0], (40, 3)), np.arange(40) % 2
    fetch = backend.to_host

    def started(**more):
        return gn.Network([gn.Dense(4, "relu"), gn.Dense(2, "softmax")], seed=0, backend=backend.name, **more)

    def weights(net):
        return [fetch(p) for pair in net.parameters for p in pair]

    def same(found, expected):  # but for biases of 1e-30
        return all(
            np.array_equal(a, np.where(np.abs(b) < 1e-20, 0, b)) for a, b in zip(expected, found, strict=True)
        )

    drawn = weights(started(inputs=3))
    smaller = [drawn[0] / 16, *drawn[1:]]
    for prepare in (lambda net: None, weights, lambda net: net.set_trainable([True, False])):
        net = started(inputs=3)
        prepare(net)
        for inputs in (X, X, 4 * X):
            with pytest.warns(gn.UnscaledInputs):
                net.fit(inputs, y, epochs=1)
            assert same(weights(net), smaller)
    given = started()
    given.set_parameters([(drawn[0], drawn[1]), (drawn[2], drawn[3])])
    for net, more in (
        (given, {}),
        (started(), {"optimizer": gn.GradientDescent(1e-30)}),
        (started(standardizer=gn.Standardizer()), {}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gn.UnscaledInputs)
            net.fit(X, y, epochs=1, **more)
        assert same(weights(net), drawn)


def test_the_rate_is_that_of_the_first_inputs(rng):
    """The optimizer stays the same, with its moments, when later inputs are of another size."""
    X, y = 60 * rng.choice([-1.0, 1.0], (64, 3)), np.arange(64) % 2
    net = network()
    with pytest.warns(gn.UnscaledInputs):
        net.fit(X, y, epochs=2)
    assert net._trained.optimizer == gn.Adam(2e-3 * 0.25)
    assert net._trained.updates == 4
    net.fit(X / 60, y, epochs=1)
    assert (net._trained.optimizer, net._trained.updates) == (gn.Adam(2e-3 * 0.25), 6)


@pytest.mark.parametrize(
    ("examples", "batch_size", "epochs"),
    [(40, "auto", 100), (40, None, 100), (40, 1, 25), (640, "auto", 50), (640, 6, 10), (640, 7, 11)],
)
def test_few_examples_are_gone_through_more_often(rng, examples, batch_size, epochs):
    X = rng.standard_normal((examples, 2))
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    assert net.fit(X, X[:, 0] > 0, batch_size=batch_size).epochs == epochs


def test_one_warning_of_unscaled_inputs(backend, data):
    X, y = data
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend=backend.name)
    with pytest.warns(
        gn.UnscaledInputs, match=r"mean \|x\| is .*standardizer=gpunet\.Standardizer"
    ) as caught:
        net.fit(100 * X, y, epochs=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__  # it points at the call of fit


@pytest.mark.parametrize("scale", [1, 10])
def test_no_warning_where_inputs_are_not_large(data, scale):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network().fit(scale * X, y, epochs=1)  # mean |x| is 0.8 and 8
        network(standardizer=gn.Standardizer()).fit(1e6 * X, y, epochs=1)


def test_large_inputs_are_found_in_a_few_of_many_examples(rng):
    """A sample decides; it is taken from all over."""
    X = np.zeros((5000, 2))
    X[2500:] = 100.0
    with pytest.warns(gn.UnscaledInputs, match="is 50,"):
        network().fit(X, np.arange(5000) % 2, epochs=1, batch_size=None)


def test_the_command_line_says_nothing_of_what_was_asked_for(tmp_path, rng, capsys):
    from gpunet.cli import main

    path = tmp_path / "raw.npz"
    np.savez(path, X=1e3 * rng.random((30, 2)), y=np.arange(30) % 2)
    assert main(["train", str(path), "--standardize", "no", "--epochs", "1", "--backend", "numpy"]) == 0
    assert "Unscaled" not in capsys.readouterr().err


def test_in_silence(data, capfd):
    network().fit(*data)
    assert capfd.readouterr() == ("", "")
