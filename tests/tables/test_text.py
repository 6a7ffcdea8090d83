"""Bytes of a file to text, whatever its encoding and line ends."""

import codecs
import gzip

import pytest

from gpunet.tables import text as text_module
from gpunet.tables.text import decode, unzip

TEXT = 'name,size\nkätzchen,1\n"a\nb",2\n'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "mark", "called"),
    [
        *[("utf-8", b"", "utf-8"), ("utf-8", codecs.BOM_UTF8, "utf-8")],
        *[("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"), ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be")],
        *[("utf-16-le", b"", "utf-16-le"), ("utf-16-be", b"", "utf-16-be")],
        *[("utf-32-le", codecs.BOM_UTF32_LE, "utf-32-le"), ("utf-32-be", codecs.BOM_UTF32_BE, "utf-32-be")],
        *[("latin-1", b"", "cp1252"), ("cp1252", b"", "cp1252")],
    ],
)
def test_encodings_and_line_ends(encoding, mark, called, end):
    found = decode(mark + TEXT.replace("\n", end).encode(encoding), "t")
    assert found.data == TEXT.encode() and found.encoding == called


@pytest.mark.parametrize(
    ("data", "called", "text"),
    [
        (b"", "utf-8", ""),
        (b"a", "utf-8", "a"),
        (b"\x80 5,\x93x\x94\n", "cp1252", "€ 5,“x”\n"),  # as Windows has it
        (b"\x81\xe9\n", "latin-1", "\x81é\n"),  # a byte that code page 1252 does not have
        (codecs.BOM_UTF8 + b"\xe9\n", "cp1252", "ï»¿é\n"),  # the mark of UTF-8, and no UTF-8
        ("ab".encode("utf-16-le"), "utf-16-le", "ab"),
        ("abcdefghiŁ".encode("utf-16-be"), "utf-16-be", "abcdefghiŁ"),  # mostly zeros
        ("Ł".encode() * 3000, "utf-8", "Ł" * 3000),
        (("a" * 5000 + "é").encode("latin-1"), "cp1252", "a" * 5000 + "é"),
    ],
)
def test_what_it_was_written_in(data, called, text):
    found = decode(data, "t")
    assert (found.encoding, found.data.decode()) == (called, text)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            codecs.BOM_UTF16_LE + b"a",
            "expected utf-16-le text as its first bytes say, got bytes that are none",
        ),
        (codecs.BOM_UTF16_BE + b"\xd8\x00\x00a", "expected utf-16-be text as its first bytes say"),
        (codecs.BOM_UTF32_LE + b"\xff\xff\xff\xff", "expected utf-32-le text as its first bytes say"),
        (b"a,b\n1,\x002\n", "bytes that are no text; save it as CSV or Parquet"),
        (b"a" * 4000 + b"\0", "bytes that are no text"),
        ("abcdŁ".encode("utf-16-le"), "bytes that are no text"),  # not mostly zeros
    ],
)
def test_bytes_that_are_no_text(data, told):
    with pytest.raises(ValueError, match=f"^file.csv: .*{told}"):
        decode(data, "file.csv")


def test_gzip_in_and_out():
    assert unzip(TEXT.encode(), "t") == TEXT.encode()
    assert unzip(gzip.compress(TEXT.encode()), "t") == TEXT.encode()
    assert (
        unzip(gzip.compress(b"1,2\n" * 10**6), "t") == b"1,2\n" * 10**6
    )  # several pieces, packed 1,000 times
    for data in (
        gzip.compress(TEXT.encode())[:-3],
        gzip.compress(TEXT.encode())[:-8] + bytes(8),
        b"\x1f\x8b",
    ):
        with pytest.raises(
            ValueError, match=r"^t: expected a whole gzip file, got one that is damaged or cut"
        ):
            unzip(data, "t")


def test_how_much_may_be_unpacked(monkeypatch):
    """As much as is said, and no byte more."""
    packed = gzip.compress(b"a" * 10_000)
    monkeypatch.setattr(text_module, "RATIO", 1)
    monkeypatch.setattr(text_module, "SMALL", 10_000)
    assert len(unzip(packed, "t")) == 10_000
    monkeypatch.setattr(text_module, "SMALL", 9_999)
    with pytest.raises(
        ValueError, match=rf"^t: a gzip file of {len(packed)} bytes that holds more than 9999; if"
    ):
        unzip(packed, "t")
