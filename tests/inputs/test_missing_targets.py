"""Rows whose target is missing are left out, and counted."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

import gpunet as gn
from gpunet.inputs.fit_data import FitArrays
from gpunet.inputs.missing_targets import evaluate_rows, fit_rows
from gpunet.tables import Target

M = 24
rng = np.random.default_rng(3)
X = rng.normal(size=(M, 2)).astype("float32")
WEIGHTS = rng.random(M)
ABSENT = (2, 5, 11, 23)
KEPT = np.setdiff1d(np.arange(M), ABSENT)
WORDS = [("cat", "dog")[k % 2] for k in range(M)]
NUMBERS = [k % 2 for k in range(M)]


def without(values, by=None):
    return [by if k in ABSENT else value for k, value in enumerate(values)]


WORD_TARGETS = {
    "list": [
        ("NA", None, float("nan"), " ")[ABSENT.index(k)] if k in ABSENT else w for k, w in enumerate(WORDS)
    ],
    "column of lists": [[word] for word in without(WORDS)],
    "tuple": tuple(without(WORDS)),
    "text": np.array(without(WORDS, "")),
    "objects": np.array(without(WORDS), object),
    "column": np.array(without(WORDS), object)[:, None],
    "pandas": pd.Series(without(WORDS), index=np.arange(M)[::-1]),
    "pandas categories": pd.Series(without(WORDS), dtype="category"),
    "polars": pl.Series(without(WORDS)),
    "polars categories": pl.Series(without(WORDS), dtype=pl.Categorical),
    "pyarrow": pa.array(without(WORDS)),
    "pyarrow chunks": pa.chunked_array([without(WORDS)[:9], without(WORDS)[9:]]),
    "pyarrow dictionary": pa.array(without(WORDS)).dictionary_encode(),
}
NUMBER_TARGETS = {
    "list": without(NUMBERS),
    "objects": np.array(without(NUMBERS), object),
    "pandas": pd.Series(without(NUMBERS)),
    "pandas nullable": pd.Series(without(NUMBERS), dtype="Int64"),
    "pandas booleans": pd.Series(without([k == 1 for k in NUMBERS]), dtype="boolean"),
    "pandas objects": pd.Series(without(NUMBERS), dtype=object),
    "polars": pl.Series(without(NUMBERS)),
    "pyarrow": pa.array(without(NUMBERS)),
}
PLAIN = without(map(float, NUMBERS), np.nan)


def network(**more):
    return gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy", **more)


def trained(X, y, **more):
    net = network()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(X, y, epochs=2, batch_size=5, **more)
    return net, history, caught


def same(net, other):
    return all(
        np.array_equal(a, b)
        for one, two in zip(net.parameters, other.parameters, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.fixture(scope="module")
def by_hand():
    """Trained without those rows."""
    return trained(X[KEPT], np.array(NUMBERS)[KEPT], sample_weight=WEIGHTS[KEPT])


@pytest.mark.parametrize(
    "y", [*WORD_TARGETS.values(), *NUMBER_TARGETS.values()], ids=[*WORD_TARGETS, *map(str.upper, NUMBER_TARGETS)]
)  # fmt: skip
def test_as_if_they_were_not_there(y, by_hand):
    net, history, caught = trained(X, y, sample_weight=WEIGHTS)
    assert [str(one.message) for one in caught] == ["left out, because their target is missing: 4 of 24 rows"]
    assert (caught[0].category, caught[0].filename) == (gn.RowsLeftOut, __file__)
    twin, expected, _ = by_hand
    assert same(net, twin)
    assert history.loss == expected.loss
    for call in ("evaluate", "gradients"):
        with pytest.warns(gn.RowsLeftOut, match="4 of 24 rows") as caught:
            found = getattr(net, call)(X, y, WEIGHTS)
        wanted = getattr(twin, call)(X[KEPT], np.array(NUMBERS)[KEPT], WEIGHTS[KEPT])
        assert found == wanted if call == "evaluate" else found[0] == wanted[0]
        assert (len(caught), caught[0].filename) == (1, __file__)


@pytest.mark.parametrize("weighted", [True, False])
def test_of_the_validation_data_too(weighted):
    y = WORD_TARGETS["list"]
    weights = (WEIGHTS,) if weighted else ()
    kept = (WEIGHTS[KEPT],) if weighted else ()
    _, history, caught = trained(X, y, validation_data=(X, y, *weights))
    assert [str(one.message) for one in caught] == [
        "left out, because their target is missing: 4 of 24 rows and 4 of 24 validation rows"
    ]
    words = [WORDS[k] for k in KEPT]
    _, expected, none = trained(X[KEPT], words, validation_data=[X[KEPT], words, *kept])
    assert (history.loss, history.val_loss) == (expected.loss, expected.val_loss)
    assert not none
    _, _, caught = trained(X[KEPT], words, validation_data=(X, y))
    assert str(caught[0].message).endswith("missing: 4 of 24 validation rows")
    _, held, caught = trained(X, y, validation_fraction=0.25)
    _, expected, _ = trained(X[KEPT], words, validation_fraction=0.25)
    assert held.val_loss == expected.val_loss


INPUTS = {
    "pandas": pd.DataFrame(X, columns=["a", "b"], index=np.arange(M) + 100),
    "polars": pl.DataFrame(X, schema=["a", "b"]),
    "pyarrow": pa.table({"a": X[:, 0], "b": X[:, 1]}),
}


@pytest.mark.parametrize("made", INPUTS)
def test_beside_a_dataframe_nan_is_a_missing_target(made, by_hand):
    frame = INPUTS[made]
    for y in (PLAIN, np.array(PLAIN), np.array(PLAIN)[:, None]):
        net, _, caught = trained(frame, y, sample_weight=WEIGHTS.tolist())
        assert len(caught) == 1
        assert same(net, by_hand[0])


@pytest.mark.parametrize("made", INPUTS)
def test_beside_a_dataframe_nan_is_a_missing_target_of_another_library(made):
    y = pytest.importorskip("torch").asarray(PLAIN)
    with pytest.warns(gn.RowsLeftOut):
        rows = evaluate_rows(None, INPUTS[made], y, None)
    assert rows.y.tolist() == np.array(NUMBERS)[KEPT].tolist()


@pytest.mark.parametrize("made", [*INPUTS, "dict"])
def test_the_encoder_does_not_learn_from_them(made):
    """Nor from the words that stand in these rows alone."""
    columns = {
        "a": X[:, 0].tolist(),
        "c": [f"only {k}" if k in ABSENT else "x" if k % 3 else "y" for k in range(M)],
    }
    library = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "dict": dict}[made]
    net = network(encoder=gn.TableEncoder())
    with pytest.warns(gn.RowsLeftOut):
        net.fit(library(columns), PLAIN, epochs=1)
    assert net.encoder.feature_names == ["a", "c=x", "c=y"]
    values = gn.Network([gn.Dense(1)], encoder=gn.TableEncoder(), seed=0, backend="numpy")
    with pytest.warns(gn.RowsLeftOut, match="4 of 24 rows$"):
        values.fit(library(columns), pd.Series(without(X[:, 0].tolist()), name="price"), epochs=1)
    assert values.target.center == pytest.approx(X[KEPT, 0].mean(), rel=1e-6)
    assert values.target.name == "price"


def test_labels_of_a_table():
    table = gn.datasets.read_table({"a": X[:, 0]}).with_labels(WORD_TARGETS["list"])
    net = gn.Network.for_table(table, hidden=(3,), seed=0, backend="numpy")
    with pytest.warns(gn.RowsLeftOut, match="4 of 24 rows and 4 of 24 validation rows$") as caught:
        history = net.fit(table, validation_data=table, epochs=1)
    assert (history.examples, len(caught)) == (len(KEPT), 1)
    with pytest.warns(gn.RowsLeftOut):
        assert net.evaluate(table)["accuracy"] == net.evaluate(table.take(KEPT))["accuracy"]


@pytest.mark.parametrize(
    "rows", [X.tolist(), tuple(X.tolist()), X.reshape(M, 1, 2), scipy.sparse.csr_matrix(X)], ids=type
)
def test_of_inputs_of_any_kind(rows):
    with pytest.warns(gn.RowsLeftOut):
        found = evaluate_rows(None, rows, WORD_TARGETS["list"], tuple(WEIGHTS))
    chosen = found.X.toarray() if hasattr(found.X, "toarray") else np.array(found.X)
    assert np.array_equal(chosen.reshape(-1, 2), X[KEPT])
    assert found.sample_weight == WEIGHTS[KEPT].tolist()
    assert found.y == [WORDS[k] for k in KEPT]


def test_of_arrays_of_any_library(backend, by_hand):
    """Words have no library of their own: they go with any."""
    rows = backend.from_host(X, backend.devices()[0])
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0)
    with pytest.warns(gn.RowsLeftOut):
        net.fit(rows, WORD_TARGETS["list"], epochs=2, batch_size=5, sample_weight=WEIGHTS.tolist())
    assert net.placement.backend.name == backend.name
    for one, two in zip(net.parameters, by_hand[0].parameters, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(backend.to_host(a), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("y", [PLAIN, np.array(PLAIN), np.array(PLAIN)[:, None]], ids=type)
def test_nan_among_plain_numbers_is_refused(y):
    for call in (lambda: network().fit(X, y), lambda: network(inputs=2).evaluate(X, y)):
        with pytest.raises(
            ValueError, match="y holds NaN, infinity or a number too large for float32, first in row 2"
        ):
            call()


def test_the_words_that_mean_missing_are_those_of_training():
    """ "-" beside "+" is a class."""
    signs = ["+", "-", "NA", "+"] * 6
    net = network()
    with pytest.warns(gn.RowsLeftOut, match="6 of 24"):
        net.fit(X, signs, epochs=1)
    assert net.class_names == ("+", "-")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.evaluate(X[:2], ["-", "-"])
    named = Target().fit(["x", "y", "z"], missing=("y",))
    with pytest.warns(gn.RowsLeftOut, match="1 of 3"):
        assert evaluate_rows(named, X[:3], ["x", "y", "z"], None).y == ["x", "z"]


def test_mistakes_are_named():
    y = WORD_TARGETS["list"]
    for prefix, given in (
        ("", FitArrays(X[:20], y, None, None, None, 0.0)),
        ("validation ", FitArrays(X, WORDS, None, None, (X[:20], y), 0.0)),
    ):
        with pytest.raises(ValueError, match=f"^{prefix}y has 24 targets for 20 examples"):
            fit_rows(None, given)
    with pytest.raises(ValueError, match=r"^y: all of the 2 targets are missing"):
        network().fit(X[:2], [None, "NA"])
    with pytest.raises(
        ValueError, match=re.escape("sample_weight must have shape (24,), one for each example; got 20")
    ):
        network().fit(X, y, sample_weight=WEIGHTS[:20])
    net = network()
    with pytest.raises(ValueError, match="y is ragged"):
        net.fit(X[:3], [1, [2, 3], None])
    assert net.inputs is None


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_sparse_rows_of_every_format(form):
    """Of some no rows can be taken by themselves."""
    rows = np.round(X, 1) * (rng.random(X.shape) < 0.7)
    y = np.array(without(WORDS), object)
    for kind in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
        net, history, caught = trained(getattr(kind(rows), f"to{form}")(), y)
        other, wanted, _ = trained(scipy.sparse.csr_array(rows[KEPT]), y[KEPT])
        assert history.loss == wanted.loss and same(net, other)
        assert "4 of 24 rows" in str(caught[0].message)


def test_weights_that_are_no_array():
    y = np.array(without(WORDS), object)
    net, history, _ = trained(X, y, sample_weight=range(1, M + 1))
    other, wanted, _ = trained(X[KEPT], y[KEPT], sample_weight=np.arange(1, M + 1)[KEPT])
    assert history.loss == wanted.loss and same(net, other)
    masked = np.ma.masked_equal(np.arange(M), 3)
    with pytest.raises(ValueError, match="sample_weight has masked entries"):
        trained(X, y, sample_weight=masked)
    for weight in (1.0, np.float64(1.0), np.array(1.0)):
        with pytest.raises(
            ValueError, match=r"sample_weight must have shape \(24,\), one for each example; got 1"
        ):
            trained(X, y, sample_weight=weight)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize(
    "values",
    [np.arange(M) * 0.5, np.array(NUMBERS), np.array(NUMBERS, bool), np.array(WORDS)],
    ids=lambda v: v.dtype.kind,
)
def test_masked_targets_beside_a_table(values, column):
    """What stands under the mask does not count."""
    masked = np.ma.array(values, mask=np.isin(np.arange(M), ABSENT))
    if values.dtype.kind == "f":
        masked.data[list(ABSENT)] = 1e9
    nets = []
    for rows, y in ((slice(None), masked[:, None] if column else masked), (KEPT, values[KEPT])):
        activation = "identity" if values.dtype.kind == "f" else "sigmoid"
        net = gn.Network([gn.Dense(1, activation)], encoder=gn.TableEncoder(), seed=0, backend="numpy")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.fit({"a": X[rows, 0], "b": X[rows, 1]}, y, epochs=2, batch_size=5)
        assert len(caught) == (rows is not KEPT)
        nets.append(net)
    assert same(*nets)
    assert nets[0].target.to_state() == nets[1].target.to_state()
