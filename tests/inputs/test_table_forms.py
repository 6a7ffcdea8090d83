"""What is taken for a table, of each library, and what is not."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import gpunet as gn
from gpunet.inputs.table_forms import has_columns, is_frame, is_frame_or_series, is_table
from gpunet.tables.frames import names_of

CELLS = {"a": [1, 2], "b": [3, 4]}
FRAMES = [pd.DataFrame(CELLS), pl.DataFrame(CELLS), pa.table(CELLS)]
NONE = [np.ones((2, 2)), [[1, 2]], (1, 2), "a", None, sparse.csr_array(np.eye(2)), sparse.dok_array((2, 2))]


@pytest.mark.parametrize("data", FRAMES, ids=lambda frame: type(frame).__module__)
def test_dataframes(data):
    assert is_frame(data) and has_columns(data) and is_frame_or_series(data)
    assert not is_table(data)
    assert names_of(data) == ["a", "b"]


def test_a_table_and_a_mapping():
    table = gn.datasets.read_table(CELLS)
    assert is_table(table) and is_frame(table) and has_columns(table) and is_frame_or_series(table)
    assert (
        has_columns(CELLS) and not is_frame(CELLS) and not is_frame_or_series(CELLS) and not is_table(CELLS)
    )


@pytest.mark.parametrize("data", [pd.Series([1]), pl.Series([1]), pa.chunked_array([[1]])])
def test_a_column_is_no_frame(data):
    assert is_frame_or_series(data) and not is_frame(data) and not has_columns(data)


@pytest.mark.parametrize("data", NONE, ids=lambda data: type(data).__name__)
def test_what_is_no_table(data):
    assert not (is_table(data) or is_frame(data) or has_columns(data) or is_frame_or_series(data))


def test_rows_of_a_file_whose_columns_have_no_names(tmp_path):
    from gpunet.inputs.blocks.sliced import ArraySlices

    assert not is_frame(ArraySlices("X", np.ones((2, 2))))
