"""Saved networks for tables: the encoder, the classes and the names of columns."""

import json

import numpy as np
import pandas as pd
import pytest

import gpunet as gn
from animal_tables import M, animals, table, trained
from file_parts import parts_of, write_parts


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


def test_files_of_the_first_format_areparts_of(tmp_path):
    """As version 0.1 wrote them: nothing about tables."""
    net = gn.Network([gn.Dense(2, "softmax")], inputs=3, seed=0, backend="numpy")
    net.save(tmp_path / "new")
    tensors, about = parts_of(tmp_path / "new")
    for name in ("target", "columns"):
        del about[name]
    write_parts(tmp_path / "old", json.dumps(about), tensors, "gpunet-1")
    old = gn.load(tmp_path / "old", "numpy")
    assert (old.encoder, old.target, old.columns) == (None, None, None)
    assert np.array_equal(old.predict(np.eye(3)), net.predict(np.eye(3)))
