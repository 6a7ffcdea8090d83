"""Networks on tables as people have them, as ONNX files. Here because Polars, used on import, starts threads."""

import numpy as np
import pytest

import gpunet as gn
from messy_tables import CASES, write
from onnx_runs import Run, close


@pytest.mark.parametrize("numbers", ["robust", "standard"])
@pytest.mark.parametrize("case", CASES)
def test_tables_as_people_have_them(tmp_path, case, numbers):
    """Cells go in as the column's own reading gives them: what text means is decided before."""
    table = gn.datasets.read_table(write(CASES[case], tmp_path), **CASES[case].options)
    net = gn.Network.for_table(table, hidden=(5,), encoder=gn.TableEncoder(numbers), seed=0, backend="numpy")
    net.fit(table, epochs=1)
    cells = {}
    for k, column in enumerate(net.encoder.learned):
        series = table.frame[column.name]
        if column.kind == "category":
            values = np.array(column.reading.texts(series).fill_null("").to_list(), object)
        else:
            values = column.reading.numbers(series, table.decimal)
        cells[column.name or f"column {k}"] = values.reshape(-1, 1)
    net.to_onnx(tmp_path / "net.onnx")
    out = Run(tmp_path / "net.onnx")(cells)
    close(out["values" if net.class_names is None else "probabilities"], net.predict(table))
    if net.class_names is not None:
        assert out["label"].tolist() == net.predict_target(table).tolist()
