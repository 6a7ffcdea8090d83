"""Networks for tables: columns and classes by name, through the public names."""

import json
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gpunet as gn
from gpunet.core.table_training import epochs_for
from gpunet.inputs.fit_data import split_rows
from gpunet.installation import install_command

M = 120


def rows(**more):
    rng = np.random.default_rng(0)
    size, color = rng.normal(size=M), rng.integers(3, size=M)
    words = [("red", "green", "blue")[k] for k in color]
    return {"size": size, "color": words, "weight": 5 + 2 * size + color} | more


def animals(names=("cat", "dog", "eel"), **more):
    data = rows(**more)
    limits = np.quantile(data["weight"], np.linspace(0, 1, len(names) + 1)[1:-1])
    return data | {"animal": [names[k] for k in np.searchsorted(limits, data["weight"])]}


def table(target="animal", data=None):
    drop = {"animal": "weight", "weight": ()}[target]
    data = data or (animals() if target == "animal" else rows())
    return gn.datasets.read_table(data, target=target, drop=drop)


def trained(source=None, **more):
    source = table() if source is None else source
    net = gn.Network.for_table(source, hidden=(16,), seed=0, backend="numpy")
    settings = {"optimizer": gn.Adam(0.02), "epochs": 30} | more
    return net, net.fit(source, **settings)


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


def test_every_kind_of_frame_in_any_order():
    net, _ = trained()
    data = {name: animals()[name] for name in ("color", "size")}  # the other way round
    expected = net.predict(table())
    for frame in (data, pd.DataFrame(data), pl.DataFrame(data), pa.table(data), table()):
        assert np.array_equal(net.predict(frame), expected)
    for frame, y in (
        (pd.DataFrame(data), pd.Series(animals()["animal"])),
        (pl.DataFrame(data), pl.Series(animals()["animal"], dtype=pl.Categorical)),
        (data, animals()["animal"]),
    ):
        assert net.evaluate(frame, y) == net.evaluate(table())
    assert np.mean(net.predict_target(data) == np.array(animals()["animal"])) > 0.95


def test_extra_columns_are_named_and_missing_ones_refused():
    net, _ = trained()
    with pytest.warns(gn.ColumnsIgnored, match="ignores: 'price', 'weight'") as caught:
        net.predict({"price": np.arange(M), **rows()})
    assert [one.filename for one in caught] == [__file__]
    data = {"price": np.arange(M), **rows()}
    for call in (lambda: net.predict_target(data), lambda: net.evaluate(data, animals()["animal"])):
        with pytest.warns(gn.ColumnsIgnored, match="ignores: 'price'") as caught:
            call()
        assert {one.filename for one in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the target's own column is none too many
        net.predict({name: animals()[name] for name in ("size", "color", "animal")})
    with pytest.raises(ValueError, match="lacks the column 'size': the table has color"):
        net.predict({"color": ["red"]})
    with pytest.raises(ValueError, match="lacks the columns 'size', 'color'"):
        net.predict({"length": [1.0]})
    with pytest.raises(TypeError, match=r"must be a Table, a DataFrame or a dict of columns.*got ndarray"):
        net.predict(np.zeros((2, 2)))


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


def test_words_beside_arrays():
    X = np.random.default_rng(0).normal(size=(60, 2))
    names = np.array(["cat", "dog"])[(X[:, 0] > 0).astype(int)]
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    net.fit(X, names, optimizer=gn.Adam(0.1), epochs=30, class_weight={"dog": 2.0})
    twin = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    twin.fit(X, X[:, 0] > 0, optimizer=gn.Adam(0.1), epochs=30, class_weight={1: 2.0})
    assert np.array_equal(net.predict(X), twin.predict(X))
    assert net.class_names == ("cat", "dog")
    assert twin.class_names is None
    assert np.mean(net.predict_target(X) == names) >= 0.95
    with pytest.raises(ValueError, match="trained on numbers"):
        twin.predict_target(X)
    with pytest.raises(ValueError, match="class_weight names class 'cow'; classes are cat, dog"):
        net.fit(X, names, class_weight={"cow": 2.0})


@pytest.mark.parametrize(
    ("classes", "given", "number"),
    [
        (("cat", "dog", "eel"), {"dog": 7.0}, 1),
        (("cat", "dog", "eel"), {2: 7.0}, 2),
        ((5, 6, 7), {"6": 7.0}, 1),
        ((1, 2, 3), {1: 7.0}, 0),
        ((1, 2, 3), {np.float64(2): 7.0}, 1),
        ((0, 1, 2), {1: 7.0}, 1),
    ],
)
def test_classes_have_their_names_in_class_weights(classes, given, number):
    """Classes called by numbers are named by those, and not by their place."""
    rows = {"x": np.arange(30.0), "y": [classes[i % 3] for i in range(30)]}
    table = gn.datasets.read_table(rows, target="y", kind="classes")
    one, two = (gn.Network.for_table(table, hidden=(), seed=0, backend="numpy") for _ in range(2))
    one.fit(table, epochs=1, class_weight=given)
    two.fit(table, epochs=1, class_weight=[7.0 if k == number else 1.0 for k in range(3)])
    assert np.array_equal(one.parameters[0][0], two.parameters[0][0])


@pytest.mark.parametrize("given", [{0: 2.0}, {"cat": 2.0}, {1.5: 2.0}, {"1": 2.0, 1: 3.0}])
def test_no_names_of_classes(given):
    table = gn.datasets.read_table({"x": np.arange(30.0), "y": np.arange(30) % 3 + 1}, target="y")
    net = gn.Network.for_table(table, hidden=(), seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"class_weight names (class .*; classes are 1, 2, 3|a class twice)"):
        net.fit(table, epochs=1, class_weight=given)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_without_an_encoder_are_matched_by_name(library):
    rng = np.random.default_rng(0)
    data = {"a": rng.normal(size=40), "b": 100 * rng.normal(size=40)}
    y = (data["a"] > 0).astype(int)
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    net.fit(library(data), y, optimizer=gn.Adam(0.1), epochs=20)
    assert net.columns == ("a", "b")
    expected = net.predict(np.column_stack([data["a"], data["b"]]))
    swapped = {"b": data["b"], "a": data["a"]}
    np.testing.assert_array_equal(net.predict(library(swapped)), expected)
    assert net.evaluate(library(swapped), y)["accuracy"] > 0.9
    again = net.fit(library(swapped), y, epochs=1, validation_data=(library(swapped), y))
    assert again.val_accuracy[-1] > 0.9
    with pytest.warns(gn.ColumnsIgnored, match="ignores: 'c'"):
        np.testing.assert_array_equal(
            net.predict(library({"c": data["a"], **swapped})), net.predict(library(data))
        )
    with pytest.raises(ValueError, match=r"X lacks the columns 'a'.*it has 'b', 'c'"):
        net.predict(library({"b": data["b"], "c": data["b"]}))


def test_duplicate_names_are_refused():
    frame = pd.DataFrame(np.zeros((4, 3)), columns=["a", "b", "a"])
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    with pytest.raises(ValueError, match="2 are called 'a'"):
        net.fit(frame, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="2 are called 'a'"):
        gn.Network([gn.Dense(2, "softmax")], encoder=gn.TableEncoder()).fit(frame, ["u", "v", "u", "v"])
    assert net.inputs is None


@pytest.mark.parametrize("target", ["animal", "weight"])
def test_all_of_it_is_kept_in_the_file(target, tmp_path):
    data = animals(day=[f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}" for k in range(M)])
    data["size"] = [None if k % 10 == 3 else value for k, value in enumerate(data["size"])]
    source = table(target, data if target == "animal" else {k: v for k, v in data.items() if k != "animal"})
    net, _ = trained(source)
    net.save(tmp_path / "net")
    other = gn.load(tmp_path / "net", "numpy")
    assert np.array_equal(other.predict(source), net.predict(source))
    assert np.array_equal(other.predict_target(source), net.predict_target(source))
    assert other.evaluate(source) == net.evaluate(source)
    assert other.class_names == net.class_names
    assert other.encoder.describe() == net.encoder.describe()
    (state, arrays), (old_state, old_arrays) = other.encoder.to_state(), net.encoder.to_state()
    assert state == old_state
    assert all(np.array_equal(arrays[name], old_arrays[name]) for name in arrays)
    assert other.target.to_state() == net.target.to_state()


def test_column_names_are_kept_in_the_file(tmp_path):
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    net.fit(frame, ["u", "v"])
    net.save(tmp_path / "net")
    other = gn.load(tmp_path / "net", "numpy")
    assert other.columns == ("a", "b")
    assert other.class_names == ("u", "v")
    assert np.array_equal(other.predict(frame[["b", "a"]]), net.predict(frame))


def test_files_of_the_first_format_are_read(tmp_path):
    """As version 0.1 wrote them: nothing about tables."""
    from safetensors.numpy import save_file

    from gpunet.files.network_file import _digest, _read

    net = gn.Network([gn.Dense(2, "softmax")], inputs=3, seed=0, backend="numpy")
    net.save(tmp_path / "new")
    tensors, about = _read(tmp_path / "new")
    for name in ("target", "columns"):
        del about[name]
    text = json.dumps(about)
    save_file(
        tensors,
        tmp_path / "old",
        {"format": "gpunet-1", "network": text, "sha256": _digest(text, tensors)},
    )
    old = gn.load(tmp_path / "old", "numpy")
    assert (old.encoder, old.target, old.columns) == (None, None, None)
    assert np.array_equal(old.predict(np.eye(3)), net.predict(np.eye(3)))


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


def test_the_classes_are_those_of_the_table():
    """Not of the first rows that it is trained on."""
    net = gn.Network.for_table(table(), seed=0, backend="numpy")
    assert net.class_names == ("cat", "dog", "eel")
    few = np.array(animals()["animal"]) != "dog"
    some = {name: np.array(animals()[name])[few] for name in ("size", "color", "animal")}
    net.fit({name: some[name] for name in ("size", "color")}, some["animal"], epochs=1)
    assert net.class_names == ("cat", "dog", "eel")
    assert net.predict(table()).shape == (M, 3)
    assert gn.Network.for_table(table("weight"), backend="numpy").target is None


def test_what_is_wrong_is_named():
    net, _ = trained()
    for call in (net.predict, lambda X: net.evaluate(X, animals()["animal"])):
        with pytest.raises(TypeError, match=r"^X must be a Table"):
            call(np.zeros((M, 2)))
    for call in (net.evaluate, net.gradients):
        with pytest.raises(TypeError, match=r"^y is missing: give targets"):
            call({name: rows()[name] for name in ("size", "color")})


def test_class_names_of_outputs_on_another_device(monkeypatch):
    """The device's own array is no NumPy array: its backend brings it to the host."""
    net, _ = trained()
    A = net.predict(table())
    device_array = object()
    device = SimpleNamespace(to_host=lambda array: A if array is device_array else None)
    monkeypatch.setattr(net, "predict", lambda X: device_array)
    monkeypatch.setattr("gpunet.network.backend_of", lambda array: device)
    assert np.array_equal(net.predict_target(table()), np.array(net.class_names)[A.argmax(axis=1)])


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
