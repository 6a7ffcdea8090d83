"""Which sources may be read while another thread reads them: files of one's own, and arrays of known libraries."""

from types import SimpleNamespace

import numpy as np
import pytest

from gpunet.inputs.blocks.blocks import SlicedBlocks
from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.sliced import ArraySlices
from streams import mapped


@pytest.fixture
def sources(tmp_path):
    rows = np.zeros((6, 2), "float32")
    unknown = SimpleNamespace(shape=rows.shape, dtype=rows.dtype)
    return {
        "file": MappedRows("X", mapped(tmp_path, "X", rows)),
        "array": ArraySlices("X", rows),
        "unknown": ArraySlices("X", unknown),
    }


def test_rows(sources):
    assert {name: rows.concurrent for name, rows in sources.items()} == {
        "file": True,
        "array": True,
        "unknown": False,
    }


@pytest.mark.parametrize("library", ["h5py", "zarr"])
def test_libraries(library, tmp_path):
    module = pytest.importorskip(library)
    if library == "h5py":
        with module.File(tmp_path / "a.h5", "w") as file:
            assert ArraySlices("X", file.create_dataset("X", data=np.zeros((3, 2)))).concurrent
    else:
        assert ArraySlices("X", module.zeros((3, 2))).concurrent


def test_what_is_made_of_them(sources):
    known, unknown = sources["file"], sources["unknown"]
    assert JoinedRows("X", [known, sources["array"]]).concurrent
    assert not JoinedRows("X", [known, unknown]).concurrent
    assert PartOfRows(known, 1, 3).concurrent
    assert not PartOfRows(unknown, 1, 3).concurrent
    targets = ArraySlices("y", np.zeros(6))
    assert SlicedBlocks(known, targets, targets).concurrent
    assert not SlicedBlocks(known, unknown, targets).concurrent
    assert not SlicedBlocks(unknown, targets).concurrent
    assert not IteratedBlocks("X", lambda: []).concurrent


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from gpunet.inputs.blocks.parquet import parquet_rows

    parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}), tmp_path / "a.parquet")
    rows = parquet_rows("X", [tmp_path / "a.parquet"], ["a"])
    assert rows.concurrent
    assert PartOfRows(rows, 0, 1).concurrent
