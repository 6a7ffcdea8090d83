"""Copies through pinned memory on a stream of their own, which the fake device makes as late as it may."""

import weakref

import numpy as np
import pytest

import fake_cupy
from gpunet.devices.placement import Placement
from gpunet_cupy import backend
from gpunet_cupy.transfer import PIECE, PinnedTransfer


@pytest.fixture
def cupy(monkeypatch):
    """CuPy on NumPy, with pinned memory that is small."""
    monkeypatch.setattr("gpunet_cupy.transfer.PIECE", 100)
    return fake_cupy.install(monkeypatch)


def rows(rng, m, dtype="float32"):
    return rng.integers(0, 256, (m, 3)).astype(dtype)


def begun(transfer, arrays):
    """As a thread does that forgets the arrays at once, and whose memory is used again."""
    own = [array.copy() for array in arrays]
    take = transfer.begin(own)
    for array in own:
        array[...] = 77
    return take


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("m", [1, 5, 8, 9, 100])
def test_arrays_arrive(m, dtype, cupy, rng):
    """Pieces and parts of them, in fewer bytes of pinned memory than the arrays have."""
    transfer = PinnedTransfer("cuda:0")
    given = [[rows(rng, m, dtype), rows(rng, m), rng.random((m, 1))] for _ in range(4)]
    takes = [begun(transfer, arrays) for arrays in given[:2]]
    for number, arrays in enumerate(given):
        taken = takes[number]()
        if number + 2 < len(given):
            takes.append(begun(transfer, given[number + 2]))
        for found, array in zip(taken, arrays, strict=True):
            assert isinstance(found, fake_cupy.DeviceArray)
            assert found.dtype == array.dtype
            assert np.array_equal(found.view(np.ndarray), array)


def test_a_copy_is_waited_for_when_it_is_taken_and_not_before(cupy, rng):
    transfer = PinnedTransfer("cuda:0")
    given = rows(rng, 5)  # of less than a piece
    take = begun(transfer, [given])
    assert len(transfer.stream.waiting) == 1
    take()
    assert not transfer.stream.waiting


def test_memory_is_pinned_once(cupy, rng, monkeypatch):
    asked = []
    pinned = cupy.cuda.alloc_pinned_memory
    monkeypatch.setattr(cupy.cuda, "alloc_pinned_memory", lambda size: (asked.append(size), pinned(size))[1])
    transfer = PinnedTransfer("cuda:0")
    for _ in range(3):
        begun(transfer, [rows(rng, 1000)])()
    assert asked == [100, 100]
    assert PIECE == 4 * 2**20


def test_later_copies_wait_for_the_work_with_what_is_freed(cupy, rng):
    """Memory of the stream of copies is freed after it was told to wait for what used it."""
    transfer = PinnedTransfer("cuda:0")
    stream = transfer.stream
    before = len(stream.waited)
    first = weakref.ref(begun(transfer, [rows(rng, 5)])()[0])
    following = begun(transfer, [rows(rng, 5)])
    assert first() is not None  # until the next one is taken
    waits_when_freed = []
    weakref.finalize(first(), lambda: waits_when_freed.append(len(stream.waited) - before))
    following()
    assert first() is None
    assert waits_when_freed == [2]  # one at each taking
    transfer.close()
    assert len(stream.waited) - before == 3
    assert all(event.stream.ptr == 0 for event, _ in stream.waited[before:])


def test_arrays_are_allocated_on_the_stream_of_copies(cupy, rng, monkeypatch):
    seen, empty = [], cupy.empty
    monkeypatch.setattr(
        cupy,
        "empty",
        lambda *shape, **more: (
            seen.append((cupy.cuda.get_current_stream(), fake_cupy.current_device())),
            empty(*shape, **more),
        )[1],
    )
    transfer = PinnedTransfer("cuda:1")
    transfer.begin([rows(rng, 5)])
    assert seen == [(transfer.stream, 1)]
    assert transfer.stream.non_blocking
    assert PinnedTransfer("cuda:1").stream is transfer.stream
    assert PinnedTransfer("cuda:0").stream is not transfer.stream


def test_it_is_what_the_backend_gives(cupy):
    assert isinstance(Placement(backend, "cuda:0").transfer(), PinnedTransfer)
