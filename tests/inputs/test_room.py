"""Memory for the rows of several blocks, one after the other."""

import numpy as np
import pytest

from gpunet.devices.reused_memory import ReusedMemory
from gpunet.inputs.blocks.opened import sliced
from gpunet.inputs.blocks.room import Room, no_room, same_memory
from streams import mapped


@pytest.fixture
def room():
    return Room(ReusedMemory())


def test_rows_follow_each_other(room):
    room.begin(5)
    first, second = (np.arange(k, k + 6, dtype="uint8").reshape(-1, 3) for k in (0, 10))
    given = room.next((2, 3), np.dtype("uint8"))
    assert given.shape == (2, 3) and room.filled == 0  # nothing is there yet
    given[...] = first
    taken = room.take(given)  # in its place already
    assert same_memory(taken, given) and room.filled == 2
    again = room.take(second)
    assert np.array_equal(again, second) and not same_memory(again, second)
    assert np.array_equal(room.rows[:4], [*first, *second]) and room.filled == 4
    assert np.array_equal(room.last(3, (3,)), room.rows[1:4])
    assert room.last(2, (1, 3)).shape == (2, 1, 3)


def test_images(room):
    room.begin(3)
    images = np.arange(24, dtype="int8").reshape(2, 3, 4)
    assert np.array_equal(room.take(images), images)
    assert room.rows.shape == (3, 12) and np.array_equal(room.rows[:2], images.reshape(2, 12))


def test_rows_of_another_kind_have_no_place(room):
    room.begin(4)
    room.take(np.ones((1, 3), "uint8"))
    assert room.next((1, 3), np.dtype("int8")) is None
    assert room.next((1, 4), np.dtype("uint8")) is None
    assert room.take(np.ones((1, 2), "uint8")) is None
    assert room.next((4, 3), np.dtype("uint8")) is None  # more than are still to come
    assert room.next((3, 3), np.dtype("uint8")) is not None
    assert room.filled == 1
    before = room.rows
    room.begin(2)
    assert room.filled == 0 and room.take(np.zeros((2, 3), "int8")) is not None
    assert not same_memory(room.rows, before) and before[0].tolist() == [1, 1, 1]
    assert no_room((1, 3), np.dtype("uint8")) is None


def test_files_are_read_into_it(room, tmp_path):
    X = np.arange(60, dtype="uint8").reshape(20, 3)
    for source in (sliced("X", mapped(tmp_path, "X", X)), sliced("X", X)):
        room.begin(7)
        given = room.next((4, 3), X.dtype)
        found = source.read_into(given, 5, 9)
        assert np.array_equal(found, X[5:9])
        assert same_memory(found, given) == (type(source).__name__ == "MappedRows")


def test_a_file_that_has_become_shorter(room, tmp_path):
    X = np.arange(60, dtype="uint8").reshape(20, 3)
    source = sliced("X", mapped(tmp_path, "X", X))
    path = tmp_path / "X.npy"
    path.write_bytes(path.read_bytes()[:-30])
    room.begin(20)
    with pytest.raises(ValueError, match="rows"):
        source.read_into(room.next((20, 3), X.dtype), 0, 20)
