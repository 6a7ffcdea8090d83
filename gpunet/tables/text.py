"""Bytes to text: compression, encoding, line ends."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import NamedTuple

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Text(NamedTuple):
    """The text of a file.

    Attributes
    ----------
    data : bytes
        In UTF-8, each line ended by LF.
    encoding : str
        What it was written in.
    """

    data: bytes
    encoding: str


# Bytes that may be unpacked in any case, and so many times the packed size: most text packs 5 to 20 times.
SMALL, RATIO = 2**26, 200


def unzip(data: bytes, where: str) -> bytes:
    """What a gzip file holds; other bytes as they are.

    Raises
    ------
    ValueError
        If the file is damaged or cut short, or holds far more than text that has been packed.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return _unpacked(data, max(SMALL, RATIO * len(data)), where)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{where}: expected a whole gzip file, got one that is damaged or cut short ({error}); copy it again"
        ) from error


def _unpacked(data: bytes, most: int, where: str) -> bytes:
    chunks, size = [], 0
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while chunk := file.read(2**20):
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                raise ValueError(
                    f"{where}: a gzip file of {len(data)} bytes that holds more than {most}; if that is right, "
                    "unpack it first (gunzip)"
                )
    return b"".join(chunks)


def decode(data: bytes, where: str) -> Text:
    """Turn the bytes of a text file into UTF-8 with LF.

    A byte-order mark says what the encoding is. Without one it is UTF-16 if every other byte of the beginning is
    mostly zero, UTF-8 if the bytes are valid UTF-8, else Latin-1 (as Windows has it, code page 1252).

    Raises
    ------
    ValueError
        If the bytes are not text.
    """
    encoding, text = _encoding(data)
    if text is None:
        try:
            text = data_to_utf8(data, encoding)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{where}: expected {encoding} text as its first bytes say, got bytes that are none ({error.reason} at "
                f"byte {error.start}); save the table again in UTF-8"
            ) from error
    if b"\0" in text[:4096]:
        raise ValueError(f"{where}: expected a table, got bytes that are no text; save it as CSV or Parquet")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Text(text, encoding)


def data_to_utf8(data: bytes, encoding: str) -> bytes:
    """Bytes of another encoding as UTF-8, without the byte-order mark."""
    return data.decode(encoding).removeprefix("\ufeff").encode("utf-8")


def _encoding(data: bytes) -> tuple[str, bytes | None]:
    """The encoding and, for UTF-8, the bytes without their mark."""
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            if name != "utf-8":
                return name, None
            if _is_utf8(data):
                return name, data[len(mark) :]
    sample = data[:4096]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = sample[first::2]
        if half.count(0) > 0.8 * len(half):
            return name, None
    if _is_utf8(data):
        return "utf-8", data
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:  # five bytes mean nothing in it
        return "latin-1", None
    return "cp1252", None  # Latin-1, as Windows has it


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
