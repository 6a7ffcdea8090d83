"""Columns of tables that are read block by block are matched by name, as those of DataFrames are."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, network, same
from streams import small_blocks

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
dataset = pytest.importorskip("pyarrow.dataset")

M = 50
NAMES = ["a", "b", "c"]


@pytest.fixture
def table(rng, monkeypatch):
    small_blocks(monkeypatch, 7, 2, len(NAMES))
    columns = {name: 10.0**k * rng.normal(size=M) for k, name in enumerate(NAMES)}
    return pd.DataFrame({**columns, "y": rng.integers(0, K, M)})


def frames(convert=lambda frame: frame):
    """A source of blocks: DataFrames in several pieces."""
    return lambda table: (
        lambda: [
            (convert(table[first : first + 20].drop(columns="y")), table["y"][first : first + 20].to_numpy())
            for first in (0, 20, 40)
        ],
        None,
    )


SOURCES = {
    "polars": lambda table: (pl.from_pandas(table).lazy(), "y"),
    "pyarrow": lambda table: (dataset.dataset(pa.Table.from_pandas(table)), "y"),
    "blocks of pandas": frames(),
    "blocks of polars": frames(pl.from_pandas),
    "blocks of pyarrow": frames(pa.Table.from_pandas),
}
OTHERS = ["c", "y", "a", "b"]


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]


def trained(X, y, **more):
    net = network("numpy", standardizer=gn.Standardizer())
    net.fit(X, y, epochs=1, batch_size=8, **more)
    return net


def test_in_another_order(source, table):
    X, y = source(table)
    net = trained(X, y, validation_data=source(table[OTHERS]))
    assert net.columns == tuple(NAMES)
    expected = net.evaluate(table[NAMES].to_numpy(), table["y"].to_numpy())
    for columns in ([*NAMES, "y"], OTHERS):
        assert net.evaluate(*source(table[columns])) == pytest.approx(expected)
    assert net.history.val_loss[-1] == pytest.approx(expected["loss"])
    again = trained(X, y)
    again.fit(*source(table), epochs=1)
    net.fit(*source(table[OTHERS]), epochs=1)
    assert same(net, again)


def test_predictions(table):
    net = trained(*SOURCES["polars"](table))
    expected = net.predict(table[NAMES].to_numpy())
    found = net.predict(lambda: [(table[["b", "c", "a"]], table["y"])])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("streamed", [True, False])
def test_validation_beside_blocks(streamed, source, table):
    """The names of the first block are those that validation data are matched with."""
    held = (table[["b", "a", "c"]], table["y"].to_numpy())
    net = trained(*source(table), validation_data=(lambda: [held]) if streamed else held)
    expected = net.evaluate(table[NAMES].to_numpy(), table["y"].to_numpy())
    assert net.history.val_loss[-1] == pytest.approx(expected["loss"])


def test_columns_more_and_fewer(source, table):
    net = trained(table[NAMES], table["y"].to_numpy())
    expected = net.evaluate(table[NAMES], table["y"].to_numpy())
    with pytest.raises(ValueError, match=r"^X lacks the columns 'b', which the network .*; it has 'a', 'c'$"):
        net.evaluate(*source(table.drop(columns="b")))
    words = table.assign(species="ant")
    with pytest.warns(gn.ColumnsIgnored, match=r"^X has columns .* and ignores: 'species'$") as said:
        assert net.evaluate(*source(words)) == pytest.approx(expected)
    assert len(said) == 1
    with pytest.raises(ValueError, match=r"^validation X lacks the columns 'a'"):
        net.fit(table[NAMES], table["y"].to_numpy(), validation_data=source(table.drop(columns="a")))


def test_blocks_in_several_orders(table):
    y = table["y"].to_numpy()
    mixed = [(table[NAMES][:20], y[:20]), (table[["c", "b", "a"]][20:], y[20:])]
    one, two = trained(lambda: mixed, None), trained(lambda: [(table[NAMES], y)], None)
    assert same(one, two)
    assert one.columns == tuple(NAMES)
    for other, has in ((table[["a", "b"]], "'a', 'b'"), (table[NAMES].to_numpy(), "no names")):
        with pytest.raises(
            ValueError,
            match=rf"^X: block 1 must have the columns of the first one, 'a', 'b', 'c'; it has {has}$",
        ):
            trained(lambda other=other: [(table[NAMES], y), (other, y)], None)
    with pytest.raises(ValueError, match=r"the first one, no names; it has 'a', 'b', 'c'$"):
        trained(lambda: [(table[NAMES].to_numpy(), y), (table[NAMES], y)], None)
    with pytest.raises(ValueError, match=r"^X: X of block 0: expected columns of different names, 2 .* 'a'"):
        trained(lambda: [(table[["a", "a"]], y)], None)


def test_blocks_without_names(table):
    """They are in the order of training, as arrays are."""
    X, y = table[NAMES].to_numpy(), table["y"].to_numpy()
    net = trained(table[NAMES], y)
    assert net.evaluate(lambda: [(X, y)]) == pytest.approx(net.evaluate(X, y))
    net.fit(lambda: [(X, y)], epochs=1, validation_data=(table[["c", "b", "a"]], y))
    assert net.columns == tuple(NAMES)
    assert net.history.val_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"])
    net.fit(lambda: [(X, y)], epochs=1, validation_data=lambda: [(table[["c", "b", "a"]], y)])
    assert net.history.val_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"])


def test_a_checkpoint(table, tmp_path):
    """The data are read once more, for their digest."""
    y = table["y"].to_numpy()
    nets = [
        trained(lambda: [(table[NAMES], y)], None, checkpoint=tmp_path / f"{k}", validation_data=(held, y))
        for k, held in enumerate((table[NAMES], table[["b", "c", "a"]]))
    ]
    assert nets[0].history.val_loss == nets[1].history.val_loss
    assert nets[1].columns == tuple(NAMES)
