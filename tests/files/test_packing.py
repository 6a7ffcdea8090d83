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


def back(value):
    """What comes back from a file, and the names of its arrays."""
    from safetensors.numpy import load, save

    packed, arrays = pack(value)
    return unpack(json.loads(json.dumps(packed)), load(save(arrays))), list(arrays)


@pytest.mark.parametrize(
    "array",
    [
        np.array(2.5),
        np.array(True),
        np.arange(3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3, dtype=">f4"),
        np.array(7, dtype=">i2"),
        np.zeros((0, 2)),
        np.arange(6, dtype="uint8")[::2],
    ],
    ids=repr,
)
def test_an_array_keeps_its_axes_and_numbers(array):
    """One without axes too, and one in another machine's byte order."""
    (found,), _ = back([array])
    assert found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_names_that_look_alike():
    """A slash in a key makes the same path as a dict in a dict."""
    value = {"a/b": np.array([1]), "a": {"b": np.array([2])}, "a/b'": np.array([3])}
    found, names = back(value)
    assert len(set(names)) == 3
    assert [found["a/b"][0], found["a"]["b"][0], found["a/b'"][0]] == [1, 2, 3]


@pytest.mark.parametrize("key", ["array", "entries of a dict", "another"])
def test_a_dict_that_looks_like_what_stands_for_an_array(key):
    for inner in (1.5, "/x", {key: 2}, [{key: "text"}], {key: {key: None}}, {key: 1, "more": 2}):
        assert back({"x": {key: inner}})[0] == {"x": {key: inner}}
    found, _ = back({key: np.arange(2)})
    assert list(found) == [key] and found[key].tolist() == [0, 1]


def test_files_of_before_hold_no_such_dicts():
    """What stands for an array has stayed the same."""
    assert pack({"a": np.zeros(1)})[0] == {"a": {"array": "/a"}}


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.array(["word"]), "an array of numbers or booleans, got <U4"),
        (np.array([None]), "an array of numbers or booleans, got object"),
        (np.array(["2024-01-01"], "M8[D]"), "an array of numbers or booleans, got datetime64"),
        (np.zeros(1, "complex128"), "an array of numbers or booleans, got complex128"),
        (np.zeros(1, "i4,f8"), "an array of numbers or booleans, got"),
        (np.datetime64("2024-01-01"), "got date$"),
        (np.complex64(1j), "got complex$"),
        (np.bytes_(b"x"), "got bytes$"),
    ],
    ids=repr,
)
def test_values_that_no_file_holds(value, got):
    with pytest.raises(TypeError, match=rf"can't save /state: expected .*{got}"):
        pack({"state": value})
