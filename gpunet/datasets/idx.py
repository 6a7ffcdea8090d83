"""The IDX format, in which MNIST is published: a small header, then one array, big-endian."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The third byte of an IDX file is the type of its numbers.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str], most: float = math.inf) -> NDArray[Any]:
    """Read one IDX file, compressed with gzip or not; its first bytes decide which.

    Parameters
    ----------
    path : path
        The file.
    most : float
        No more bytes than this are unpacked.

    Returns
    -------
    array
        Shape and type as in the header, in native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, truncated, too long, or not an IDX file.
    """
    path = Path(path)
    content = path.read_bytes()
    if content.startswith(_GZIP):
        try:
            content = _unpacked(content, most)
        except (EOFError, OSError, zlib.error, struct.error) as error:
            raise ValueError(
                f"{path}: the gzip file is truncated or damaged ({error}); copy or download it again"
            ) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(
            f"{path}: expected an IDX file, which begins with two zero bytes, a type and a rank, "
            f"got {content[:4].hex(' ') or 'an empty file'}; check that it is the right file"
        )
    dtype, rank = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise ValueError(
            f"{path}: expected a header of {start} bytes, got {len(content)}; the file is cut "
            "short: copy or download it again"
        )
    # Checked before anything is allocated: a damaged header may give any size.
    shape = struct.unpack(f">{rank}I", content[4:start])
    size = math.prod(shape) * dtype.itemsize
    if len(content) - start != size:
        raise ValueError(
            f"{path}: its header states {' x '.join(map(str, shape))} numbers, {size} bytes, but "
            f"{len(content) - start} bytes follow; the file is truncated or damaged: copy or "
            "download it again"
        )
    numbers = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return numbers.astype(dtype.newbyteorder("="))


def _unpacked(content: bytes, most: float) -> bytes:
    """What a gzip file holds, but no more than the header of the IDX file in it states, and one byte."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        chunks = [file.read(4 + 4 * 255)]  # the longest header
        begins = chunks[0]
        if len(begins) < 4 or begins[2] not in _TYPES or len(begins) < 4 + 4 * begins[3]:
            return begins
        sizes = struct.unpack(f">{begins[3]}I", begins[4 : 4 + 4 * begins[3]])
        left: float = (
            4 + 4 * begins[3] + math.prod(sizes) * np.dtype(_TYPES[begins[2]]).itemsize + 1 - len(begins)
        )
        left = min(left, most)
        while left > 0 and (chunk := file.read(int(min(left, 2**20)))):
            chunks.append(chunk)
            left -= len(chunk)
    return b"".join(chunks)
