"""Dataframes of any library, and every format, give the same inputs."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.tables import TableEncoder, Target
from messy_tables import CASES, check, frame, write

FRAMES = {
    "polars": lambda: frame(),
    "polars, lazy": lambda: frame().lazy(),
    "pyarrow": lambda: frame().to_arrow(),
    "pandas": lambda: pd.DataFrame(frame().to_dict(as_series=False)),
    "pandas, object": lambda: pd.DataFrame(frame().to_dict(as_series=False)).astype(object),
    "pandas, nullable": lambda: pd.DataFrame(frame().to_dict(as_series=False)).convert_dtypes(),
    "pandas, categorical": lambda: pd.DataFrame(frame().to_dict(as_series=False)).astype(
        {"color": "category", "animal": "category"}
    ),
    "polars, categorical": lambda: frame().with_columns(pl.col("color").cast(pl.Categorical)),
    "dict": lambda: frame().to_dict(as_series=False),
    "dict of arrays": lambda: {name: np.array(cells) for name, cells in frame().to_dict().items()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_dataframes_of_any_library(name):
    check(CASES["plain"], read_table(FRAMES[name](), target="animal"))


def test_every_format_gives_the_same_inputs(tmp_path):
    tables = [
        read_table(write(CASES[name], tmp_path), target="animal") for name in ("plain", "Parquet", "UTF-16")
    ]
    tables += [read_table(make(), target="animal") for make in FRAMES.values()]
    expected = TableEncoder().fit(tables[0]).transform(tables[0])
    for table in tables:
        np.testing.assert_array_equal(TableEncoder().fit(table).transform(table), expected)
        np.testing.assert_array_equal(TableEncoder().fit(tables[0]).transform(table), expected)


def test_nullable_columns_keep_large_integers_and_missing_cells():
    big = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, None, False], dtype="boolean"),
            "c": pd.Categorical(["x", None, "y"]),
            "t": pd.array([2**60 + 1, 2**60, 2**60 + 1], dtype="Int64"),
        }
    )
    table = read_table(big, target="t")
    encoder = TableEncoder("standard").fit(table)
    assert encoder.feature_names == ["a", "a is missing", "b", "b is missing", "c=x", "c=y", "c is missing"]
    np.testing.assert_allclose(
        encoder.transform(table), [[-1, 0, 1, 0, 1, 0, 0], [0, 1, 0.5, 1, 0, 0, 1], [1, 0, 0, 0, 0, 1, 0]]
    )
    assert Target("classes").fit(table).class_names == (str(2**60), str(2**60 + 1))


def test_a_missing_target_of_a_nullable_column_is_left_out():
    for labels in (
        pd.array([1, None, 2], dtype="Int64"),
        pd.Categorical(["a", None, "b"]),
        [1.0, np.nan, 2.0],
    ):
        table = read_table(pd.DataFrame({"x": [1, 2, 3], "t": labels}), target="t")
        assert (len(table), table.left_out) == (2, 1)
        assert table.frame["x"].to_list() == [1, 3]


def test_pyarrow_dictionaries_and_decimals():
    data = pa.table(
        {
            "c": pa.array(["u", "v", "u"]).dictionary_encode(),
            "d": pa.array([1, 2, 3], pa.decimal128(5, 2)),
            "l": [[1], [2], [3]],
        }
    )
    encoder = TableEncoder("standard").fit(read_table(data))
    assert encoder.feature_names == ["c=u", "c=v", "d"]
    assert encoder.left_out == {"l": "type List(Int64)"}


def test_duplicate_names_of_dataframes_are_refused():
    twice = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    with pytest.raises(ValueError, match="2 are called 'a'"):
        read_table(twice)
    with pytest.raises(ValueError, match="2 are called 'a'"):
        read_table(pa.table([[1], [2]], names=["a", "a"]))
    file = io.BytesIO()
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), file)
    with pytest.raises(ValueError, match=r"columns of different names, got one .*'a' has more than one"):
        read_table(io.BytesIO(file.getvalue()))
    with pytest.raises(ValueError, match="2 are called '0'"):
        read_table(pd.DataFrame([[1, 2]], columns=[0, "0"]))
    with pytest.raises(ValueError, match="equal length"):
        read_table({"a": [1], "b": [1, 2]})
