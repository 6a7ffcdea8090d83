"""Tables and targets in words on their way to arrays."""

import numpy as np
import pandas as pd
import pytest

import gpunet as gn
from gpunet.inputs.fit_data import FitArrays, split_rows
from gpunet.inputs.tabular import Tabular, encoded

M = 40
SIZE = np.arange(M) % 7 / 2.0
COLOR = np.array(["red", "green", "blue", "red", "green"] * (M // 5))
ANIMAL = np.array(["cat", "dog"] * (M // 2))
FRAME = {"size": SIZE, "color": COLOR}


def of(X, y=None, sample_weight=None, class_weight=None, validation_data=None, validation_fraction=0.0):
    return FitArrays(X, y, sample_weight, class_weight, validation_data, validation_fraction)


def with_encoder():
    return Tabular(encoder=gn.TableEncoder())


SIGMOID = gn.Dense(1, "sigmoid")


def test_columns_by_name_are_split_as_a_table_is():
    """A dict of columns, whose length is the number of columns, has rows like any other table."""
    training = split_rows(M, 0.25, 3)[0]
    alone = gn.TableEncoder().fit({name: column[training] for name, column in FRAME.items()})
    arrays, tabular = encoded(
        with_encoder(), of(FRAME, ANIMAL, validation_fraction=0.25), "float32", SIGMOID, 3
    )
    assert arrays.X.shape == (M, len(alone.feature_names))
    assert np.array_equal(arrays.X, alone.transform(FRAME, "float32"))
    assert tabular.encoder.to_state()[0] == alone.to_state()[0]


def test_what_is_no_table_is_named():
    for X, validation, name in (
        (np.zeros((M, 2)), None, "X"),
        (FRAME, (np.zeros((M, 2)), ANIMAL), "validation X"),
    ):
        given = of(X, ANIMAL, validation_data=validation)
        with pytest.raises(TypeError, match=rf"^{name} must be a Table, a DataFrame or a dict"):
            encoded(with_encoder(), given, "float32", SIGMOID, 0)


def test_missing_targets_are_named():
    _, tabular = encoded(with_encoder(), of(FRAME, ANIMAL), "float32", SIGMOID, 0)
    for given, name in ((of(FRAME), "y"), (of(FRAME, ANIMAL, validation_data=(FRAME, None)), "validation y")):
        for known in (with_encoder(), tabular):  # in the first run, and in a later one
            with pytest.raises(TypeError, match=rf"^{name} is missing: give targets, or a Table"):
                encoded(known, given, "float32", SIGMOID, 0)


@pytest.mark.parametrize(
    ("units", "activation", "classes"),
    [
        (7, "softmax", True),
        (7, "sigmoid", True),
        (2, "identity", True),
        (1, "sigmoid", False),
        (1, "identity", False),
    ],
)
def test_several_outputs_are_for_classes(units, activation, classes):
    """Seven different numbers, not all of them whole: one output is for values."""
    y = SIZE if units == 7 else SIZE % 1 * 2 + 0.5
    _, tabular = encoded(with_encoder(), of(FRAME, y), "float32", gn.Dense(units, activation), 0)
    assert tabular.target.kind == ("classes" if classes else "values")
    assert (tabular.class_names is not None) == classes


@pytest.mark.parametrize(
    ("count", "units", "listed"),
    [
        (3, 1, "class 0, class 1, class 2"),
        (2, 3, "class 0, class 1"),
        (8, 9, "class 0, class 1, class 2, class 3, class 4, class 5, class 6, class 7"),
        (9, 8, "class 0, class 1, class 2, class 3, class 4, class 5, class 6, class 7, …"),
    ],
)
def test_a_layer_that_does_not_fit_the_classes(count, units, listed):
    y = [f"class {k % count}" for k in range(M)]
    output = gn.Dense(units, "sigmoid" if units == 1 else "softmax")
    with pytest.raises(ValueError) as caught:
        encoded(with_encoder(), of(FRAME, y), "float32", output, 0)
    assert str(caught.value) == (
        f"the target 'target' has {count} classes ({listed}), the last layer has {units} units: give it {count}, or "
        "use Network.for_table"
    )


def test_at_most_eight_columns_are_named():
    wide = {f"c{k}": SIZE for k in range(9)}
    _, tabular = encoded(Tabular(), of(pd.DataFrame(wide), ANIMAL), "float32", SIGMOID, 0)
    eight = ", ".join(f"'c{k}'" for k in range(8))
    with pytest.raises(ValueError, match="X lacks the columns") as caught:
        tabular.rows("X", pd.DataFrame({"d": SIZE}), "float32")
    assert f"lacks the columns {eight}, …, which the network was trained on; it has 'd'" in str(caught.value)
    with pytest.raises(ValueError, match="X lacks the columns") as caught:
        tabular.rows("X", pd.DataFrame({"c8": SIZE}), "float32")
    assert f"lacks the columns {eight}, which the network was trained on; it has 'c8'" in str(caught.value)


ONE_HOT = np.eye(2)[np.arange(M) % 2]


@pytest.mark.parametrize("rows", [ONE_HOT, ONE_HOT.tolist(), tuple(map(tuple, ONE_HOT.tolist()))], ids=type)
def test_rows_of_targets_are_taken_as_they_are(rows):
    """One-hot rows say what they are; of a target in words that is known, too."""
    softmax = gn.Dense(2, "softmax")
    arrays, tabular = encoded(with_encoder(), of(FRAME, rows), "float32", softmax, 0)
    assert arrays.y is rows and tabular.target is None
    _, known = encoded(with_encoder(), of(FRAME, ANIMAL), "float32", softmax, 0)
    assert known.class_names == ("cat", "dog")
    assert known.targets("y", FRAME, rows) is rows


@pytest.mark.parametrize("targets", [ANIMAL, np.arange(M) % 2], ids=["words", "numbers"])
@pytest.mark.parametrize("known", [Tabular(), with_encoder()], ids=["array", "table"])
def test_one_column_of_targets_is_no_rows(targets, known):
    X, named = (FRAME, True) if known.encoder else (SIZE[:, None], targets is ANIMAL)
    for column in (
        targets[:, None],
        targets,
        targets.tolist(),
        targets[:, None].tolist(),
        targets.astype(object),
    ):
        arrays, tabular = encoded(known, of(X, column), "float32", SIGMOID, 0)
        assert (tabular.target is not None) == named
        assert np.array_equal(np.reshape(arrays.y, -1), np.arange(M) % 2)


def test_no_targets_are_no_rows():
    """That there are none is said where targets are checked."""
    for empty in ([], np.empty(0), ()):
        arrays, tabular = encoded(Tabular(), of(np.empty((0, 2)), empty), "float32", SIGMOID, 0)
        assert arrays.y is empty and tabular.target is None


@pytest.mark.parametrize("one", [[[0, 1]], np.array([[0, 1]]), [["a", "b"]]], ids=["list", "array", "words"])
def test_one_row_of_targets_is_a_row(one):
    _, known = encoded(with_encoder(), of(FRAME, ANIMAL), "float32", gn.Dense(2, "softmax"), 0)
    assert known.targets("y", FRAME, one) is one


@pytest.mark.parametrize("one", [["dog"], [["dog"]], np.array(["dog"]), np.array([["dog"]])], ids=repr)
def test_one_word_is_no_row(one):
    _, known = encoded(with_encoder(), of(FRAME, ANIMAL), "float32", SIGMOID, 0)
    assert known.targets("y", FRAME, one).tolist() == [1]


@pytest.mark.parametrize("words", [["a", 1, "a", 1], [1, "a", 1, "a"]])
def test_one_word_makes_words_of_all(words):
    arrays, tabular = encoded(Tabular(), of(np.eye(4), np.array(words, dtype=object)), "float32", SIGMOID, 0)
    assert sorted(tabular.class_names) == ["1", "a"]
    assert [tabular.class_names[k] for k in arrays.y] == [str(word) for word in words]


def test_targets_that_cannot_be_read_are_reported_where_they_are_checked():
    ragged = [1, [2, 3], 4]
    arrays, tabular = encoded(Tabular(), of(np.eye(3), ragged), "float32", SIGMOID, 0)
    assert arrays.y is ragged and tabular.target is None


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("with_an_encoder", [True, False])
def test_the_target_is_not_left_among_the_features(library, with_an_encoder):
    """A network would copy it, and seem to be perfect."""
    frame = pd.DataFrame({"size": SIZE, "price": SIZE * 3.0})
    if library == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    tabular = with_encoder() if with_an_encoder else Tabular()
    output = gn.Dense(1)
    with pytest.raises(
        ValueError, match=r"^X has the column 'price', and y is that column: .* Leave it out of X"
    ):
        encoded(tabular, of(frame, frame["price"]), "float32", output, 0)
    later = pd.Series(SIZE * 3.0 + 1.0, name="price")  # of the same name alone, as tomorrow's price
    arrays, _ = encoded(tabular, of(frame, later), "float32", output, 0)
    assert arrays.X.shape == (M, 2)
    encoded(tabular, of(frame, np.asarray(frame["price"])), "float32", output, 0)  # an array has no name


def test_a_column_of_words_is_named():
    """Without an encoder."""
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    frame = pd.DataFrame({**FRAME, "day": pd.date_range("2026-01-01", periods=M)})
    for given in (frame, pytest.importorskip("polars").from_pandas(frame)):
        with pytest.raises(
            TypeError,
            match=r"^X must hold real numbers; its columns 'color', 'day' hold others .*TableEncoder\(\)",
        ):
            net.fit(given, ANIMAL)
    assert net.inputs is None
    gaps = pd.DataFrame({"a": pd.array([1] * (M - 1) + [None], dtype="Int64"), "b": SIZE})
    with pytest.raises(TypeError, match=r"its column 'a' holds others"):
        net.fit(gaps, ANIMAL)


def test_a_row_of_a_dataframe_is_none():
    frame = pd.DataFrame({"a": SIZE, "b": SIZE})
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    net.fit(frame, ANIMAL, epochs=1)
    with pytest.raises(
        ValueError, match=r"got shape \(2,\)\. One row or column of a DataFrame alone is .* df\.iloc\[\[0\]\]"
    ):
        net.predict(frame.iloc[0])


@pytest.mark.parametrize("with_an_encoder", [True, False])
def test_words_are_no_values(with_an_encoder):
    """The last layer says what targets are: nobody called Target."""
    tabular, X = (with_encoder(), FRAME) if with_an_encoder else (Tabular(), SIZE[:, None])
    with pytest.raises(
        ValueError, match=r"got 'cat'.* The last layer, identity, has values as targets: .*'softmax'\)$"
    ):
        encoded(tabular, of(X, ANIMAL), "float32", gn.Dense(1), 0)


def test_a_dataframe_of_one_column_is_a_column():
    for frame in (
        pd.DataFrame({"animal": ANIMAL}),
        pytest.importorskip("polars").DataFrame({"animal": ANIMAL}),
    ):
        arrays, tabular = encoded(with_encoder(), of(FRAME, frame), "float32", SIGMOID, 0)
        assert tabular.target.name == "animal"
        assert arrays.y.tolist() == [0, 1] * (M // 2)
