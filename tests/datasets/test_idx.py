"""The IDX reader: what it reads, and what it refuses."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from gpunet.datasets.idx import read_idx


def idx_bytes(array, code):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")],
)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4), (0, 3)])
def test_reads_every_type_and_rank(tmp_path, pack, code, dtype, shape):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 120, shape).astype(dtype)
    path = tmp_path / "numbers"
    path.write_bytes(pack(idx_bytes(array, code)))
    found = read_idx(path)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_numbers_are_big_endian(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 1, 0, 0, 7]))
    np.testing.assert_array_equal(read_idx(path), [256, 7])


GOOD = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4), 0x08)
DAMAGED = {
    "empty": (b"", "an empty file"),
    "foreign": (b"PK\3\4 something else", "expected an IDX file"),
    "unknown type": (b"\0\0\x07" + GOOD[3:], "expected an IDX file"),
    "header truncated": (GOOD[:7], "header of 12 bytes, got 7"),
    "truncated": (GOOD[:-1], "12 bytes, but 11 bytes follow"),
    "too long": (GOOD + b"\0", "12 bytes, but 13 bytes follow"),
    "header states terabytes": (b"\0\0\x08\x03" + b"\xff" * 12 + b"\0", "but 1 bytes follow"),
    "gzip truncated": (gzip.compress(GOOD)[:-9], "gzip file is truncated or damaged"),
    "gzip header only": (gzip.compress(GOOD)[:5], "gzip file is truncated or damaged"),
    "gzip damaged": (gzip.compress(GOOD)[:12] + b"\xff" * 20, "gzip file is truncated or damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_refuses_damaged_files_by_name(tmp_path, case):
    content, message = DAMAGED[case]
    path = tmp_path / "images-idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="images-idx") as caught:
        read_idx(path)
    assert message in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize(("stated", "most", "unpacked"), [(12, 10**9, 13), (10**9, 1000, 1000)])
def test_no_more_is_unpacked_than_stated_or_allowed(stated, most, unpacked, tmp_path):
    """A small file may hold gigabytes of zeros."""
    path = tmp_path / "numbers"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", stated) + bytes(10**7)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"states {stated} numbers"):
        read_idx(path, most)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
