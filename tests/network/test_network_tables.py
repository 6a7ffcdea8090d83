"""Networks for tables through the public names: the defaults, the split, and what is refused."""

import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import gpunet as gn
from animal_tables import M, animals, rows, table, trained
from gpunet.core.table_training import epochs_for
from gpunet.inputs.fit_data import split_rows
from gpunet.installation import install_command


def test_three_lines(tmp_path):
    pl.DataFrame(animals()).write_csv(tmp_path / "flowers.csv")
    read = gn.datasets.read_table(tmp_path / "flowers.csv", target="animal")
    net = gn.Network.for_table(read, seed=0)
    net.fit(read)
    assert net.evaluate(read)["accuracy"] > 0.95
    assert net.class_names == ("cat", "dog", "eel")


@pytest.mark.parametrize(
    ("target", "names", "output", "loss"),
    [
        ("animal", ("cat", "dog", "eel"), (3, "softmax"), "cross_entropy"),
        ("animal", ("cat", "dog"), (1, "sigmoid"), "logistic"),
        ("weight", None, (1, "identity"), "squared_error"),
    ],
)
def test_the_output_suits_the_target(target, names, output, loss):
    net = gn.Network.for_table(table(target, names and animals(names)), seed=0, backend="numpy")
    assert ((net.layers[-1].units, net.layers[-1].activation), net.loss) == (output, loss)
    assert [(d.units, d.activation) for d in net.layers[:-1]] == [(256, "relu")]


def test_layers_of_ones_own_do_the_same():
    source = table()
    net = gn.Network(
        [gn.Dense(16, "relu"), gn.Dense(3, "softmax")], seed=0, backend="numpy", encoder=gn.TableEncoder()
    )
    history = net.fit(source, optimizer=gn.Adam(0.02), epochs=30)
    other, expected = trained()
    assert history.loss == expected.loss
    assert np.array_equal(net.predict(source), other.predict(source))


def test_the_defaults_are_the_rule_for_tables():
    source = table()
    net, by_rule = (gn.Network.for_table(source, seed=0, backend="numpy") for _ in range(2))
    part = M - round(M * 0.25)
    rule = gn.AdamW(gn.Cosine(0.002), weight_decay=5.0)
    history = net.fit(source, validation_fraction=0.25)
    assert history.epochs == epochs_for(5000, -(-part // 64))
    same = by_rule.fit(
        source, validation_fraction=0.25, optimizer=rule, epochs=history.epochs, batch_size=min(64, part)
    )
    assert history.loss == same.loss
    # What is given counts, and arrays are trained as ever.
    assert net.fit(source, epochs=2, optimizer="sgd").learning_rate == [0.5, 0.5]
    arrays = gn.Network([gn.Dense(2)], seed=0, backend="numpy")
    assert arrays.fit(np.eye(2), np.eye(2)).learning_rate == pytest.approx([0.002] * 100)


def test_the_encoder_learns_from_the_training_part_alone():
    source = table()
    training, held = split_rows(M, 0.25, 0)
    net, history = trained(source, validation_fraction=0.25)
    alone = gn.TableEncoder().fit(source.take(training))
    states = [encoder.to_state() for encoder in (net.encoder, alone)]
    assert states[0][0] == states[1][0]
    for name in states[0][1]:
        assert np.array_equal(states[0][1][name], states[1][1][name])
    # Splitting by hand is the same run.
    other = gn.Network.for_table(source, hidden=(16,), seed=0, backend="numpy")
    again = other.fit(
        source.take(training), validation_data=source.take(held), optimizer=gn.Adam(0.02), epochs=30
    )
    assert (history.loss, history.val_loss) == (again.loss, again.val_loss)
    assert history.val_loss[-1] == net.evaluate(source.take(held))["loss"]


def test_the_split_is_that_of_arrays():
    """The rows held out are those that `validation_fraction` of arrays holds out."""
    source = table()
    X = gn.TableEncoder().fit(source.take(split_rows(M, 0.25, 0)[0])).transform(source)
    _, history = trained(source, validation_fraction=0.25)
    arrays = gn.Network([gn.Dense(16, "relu"), gn.Dense(3, "softmax")], seed=0, backend="numpy")
    y = np.unique(animals()["animal"], return_inverse=True)[1]
    other = arrays.fit(X, y, optimizer=gn.Adam(0.02), epochs=30, batch_size=64, validation_fraction=0.25)
    assert (history.loss, history.val_loss) == (other.loss, other.val_loss)


def test_values_in_their_own_unit():
    data = rows() | {"weight": 1e6 + 2e4 * rows()["weight"]}
    source = table("weight", data)
    net, history = trained(source, validation_fraction=0.25, epochs=60)
    predictions = net.predict(source)
    assert (predictions.shape, predictions.dtype) == ((M, 1), np.float64)
    assert np.array_equal(net.predict_target(source), predictions[:, 0])
    error = predictions[:, 0] - data["weight"]
    assert np.sqrt(np.mean(error**2)) < 0.3 * data["weight"].std()
    assert net.evaluate(source)["loss"] == pytest.approx(np.mean(error**2) / 2, rel=1e-3)
    # The history has the same unit: without steps, the loss of training is that of evaluate.
    still = net.fit(source, optimizer=gn.GradientDescent(1e-12), epochs=1, batch_size=None)
    assert still.loss[-1] == pytest.approx(net.evaluate(source)["loss"], rel=1e-5)
    held = source.take(split_rows(M, 0.25, 0)[1])
    assert history.val_loss[-1] == pytest.approx(net.evaluate(held)["loss"], rel=1e-3)
    training = source.take(split_rows(M, 0.25, 0)[0])
    assert net.target.center == pytest.approx(training.labels.mean())


def test_a_range_is_not_standardised():
    data = rows() | {"weight": 1 / (1 + np.exp(-rows()["weight"] + 6))}
    source = gn.datasets.read_table(data, target="weight", kind="values")
    net = gn.Network(
        [gn.Dense(1, "sigmoid")], loss="squared_error", encoder=gn.TableEncoder(), seed=0, backend="numpy"
    )
    net.fit(source, epochs=1)
    assert (net.target.center, net.target.scale) == (0.0, 1.0)


def test_nothing_changes_when_fit_refuses():
    source = table()
    net = gn.Network([gn.Dense(2, "softmax")], encoder=gn.TableEncoder(), backend="numpy")
    with pytest.raises(
        ValueError, match=r"'animal' has 3 classes \(cat, dog, eel\).*give it 3, or use Network"
    ):
        net.fit(source)
    net = gn.Network([gn.Dense(3, "softmax")], encoder=gn.TableEncoder(), backend="numpy")
    with pytest.raises(ValueError, match="batch_size"):
        net.fit(source, batch_size=10 * M)
    with pytest.raises(TypeError, match="y is missing"):
        net.fit(rows())
    assert (net.encoder.fitted, net.target, net.inputs) == (False, None, None)
    with pytest.raises(TypeError, match="X is a Table: give the Network encoder"):
        gn.Network([gn.Dense(3, "softmax")]).fit(source)
    with pytest.raises(ValueError, match="encoder or standardizer"):
        gn.Network([gn.Dense(3)], encoder=gn.TableEncoder(), standardizer=gn.Standardizer())
    with pytest.raises(TypeError, match=r"such as TableEncoder\(\)"):
        gn.Network([gn.Dense(3)], encoder="table")


def test_a_part_of_a_table_is_read_as_the_whole():
    """A class, or a word among numbers, that only the other part has is no surprise."""
    words = ["n.d."] + [str(k / 4) for k in range(1, M)]
    data = {"x": words, "animal": ["eel"] + ["cat", "dog"] * (M // 2 - 1) + ["cat"]}
    source = gn.datasets.read_table(data, target="animal")
    part = source.take(np.arange(1, M))
    net = gn.Network.for_table(part, seed=0, backend="numpy")
    net.fit(part, epochs=1)
    assert net.class_names == ("cat", "dog", "eel")
    assert np.isfinite(net.predict(source)).all()
    assert set(net.evaluate(source.take([0]))) == {"loss", "accuracy"}


def test_what_is_wrong_is_named():
    net, _ = trained()
    for call in (net.predict, lambda X: net.evaluate(X, animals()["animal"])):
        with pytest.raises(TypeError, match=r"^X must be a Table"):
            call(np.zeros((M, 2)))
    for call in (net.evaluate, net.gradients):
        with pytest.raises(TypeError, match=r"^y is missing: give targets"):
            call({name: rows()[name] for name in ("size", "color")})


def test_nothing_is_imported_until_it_is_used():
    code = (
        "import sys, gpunet; print([name for name in sys.modules if name.startswith('gpunet.tables')])\n"
        "import gpunet.datasets; print({'polars', 'narwhals'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    ).stdout  # fmt: skip
    assert found == "[]\nset()\n"


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=re.escape(install_command("tables"))):
        gn.Network([gn.Dense(2, "softmax")], backend="numpy").fit([[0.0], [1.0]], ["02139", "10001"])


@pytest.mark.parametrize("wrong", ["animals.csv", {"x": [1, 2]}, np.zeros((3, 2)), None])
def test_for_table_wants_a_table(wrong):
    said = rf"^table must be a Table with a target, got {type(wrong).__name__}: give what gpunet\.datasets\.read_table"
    with pytest.raises(TypeError, match=said):
        gn.Network.for_table(wrong)


@pytest.mark.parametrize("hidden", [32, "32", None])
def test_hidden_layers_are_a_list(hidden):
    source = gn.datasets.read_table(animals(), target="animal")
    with pytest.raises(
        TypeError, match=rf"^hidden must be a list of units such as \(256, 128\), got {hidden!r}$"
    ):
        gn.Network.for_table(source, hidden=hidden)


def test_a_table_without_a_target():
    with pytest.raises(ValueError, match=r"has no target; name one in read_table\(\.\.\., target=\.\.\.\)"):
        gn.Network.for_table(gn.datasets.read_table(rows()))
