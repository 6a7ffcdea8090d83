"""Columns and classes by name: frames in any order, extra and missing ones, names of classes."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gpunet as gn
from animal_tables import M, animals, rows, table, trained


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


def test_class_names_of_outputs_on_another_device(monkeypatch):
    """The device's own array is no NumPy array: its backend brings it to the host."""
    net, _ = trained()
    A = net.predict(table())
    device_array = object()
    device = SimpleNamespace(to_host=lambda array: A if array is device_array else None)
    monkeypatch.setattr(net, "predict", lambda X: device_array)
    monkeypatch.setattr("gpunet.network.backend_of", lambda array: device)
    assert np.array_equal(net.predict_target(table()), np.array(net.class_names)[A.argmax(axis=1)])
