"""Nested values with arrays as JSON and arrays, and back."""

import json

import numpy as np
import pytest

from gpunet.files.packing import pack, unpack


def test_there_and_back():
    value = {
        "name": "σ",
        "numbers": [1, 2.5, float("inf"), True, None, np.float64(0.1), np.int32(7)],
        "arrays": (
            {"W": np.arange(6.0).reshape(2, 3).T, "empty": np.empty((0, 2))},
            [np.arange(3, dtype="int32")],
        ),
    }
    packed, arrays = pack(value)
    found = unpack(json.loads(json.dumps(packed)), arrays)
    assert found["name"] == "σ"
    assert found["numbers"] == [1, 2.5, float("inf"), True, None, 0.1, 7]
    (layer, (counts,)) = found["arrays"]
    np.testing.assert_array_equal(layer["W"], value["arrays"][0]["W"])
    assert layer["empty"].shape == (0, 2)
    assert counts.dtype == "int32"
    assert all(array.flags.c_contiguous for array in arrays.values())
    assert sorted(arrays) == ["/arrays/0/W", "/arrays/0/empty", "/arrays/1/0"]


def test_what_can_not_be_saved_is_named():
    with pytest.raises(TypeError, match=r"can't save /a/1: expected numbers, text, .* got set"):
        pack({"a": [1, {2}]})
    with pytest.raises(TypeError, match="can't save /a: the keys of a dict must be text"):
        pack({"a": {1: 2}})
    with pytest.raises(KeyError):
        unpack({"array": "absent"}, {})
