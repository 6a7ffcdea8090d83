"""Which cells are missing: the usual words, one's own, and "-" beside "+"."""

import numpy as np
import polars as pl
import pytest

from gpunet.tables import TableEncoder, Target
from gpunet.tables.missing import MISSING, missing_words, without_missing, words_of_column

WORDS = ["?", "-", ".", "NA", "na", "N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "NaT", "null", "Null", "NULL"]
WORDS += ["None", "#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"]


@pytest.mark.parametrize("word", [*WORDS, "", " "])
def test_the_usual_words(word):
    assert (word.strip() in MISSING) == bool(word.strip())
    for cells in (["1", word, "3"], ["a", word, "b"]):
        encoder = TableEncoder().fit({"x": cells})
        assert encoder.describe()[-1] == "missing cells: x (1)"
        assert encoder.transform({"x": [word, cells[0]]})[:, -1].tolist() == [1, 0]
    assert Target().fit(["a", word, "b"]).is_missing(["b", word]).tolist() == [False, True]


@pytest.mark.parametrize("word", ["Na", "nA", "none", "NONE", "nil", "unknown", "--", "missing", "N.A."])
def test_other_words_are_words(word):
    """Sodium is one."""
    assert TableEncoder().fit({"x": ["a", word, "b"]}).describe() == ["categories: x (3 values)"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, MISSING),
        ("", ()),
        ((), ()),
        ("?", ("?",)),
        (" NA , -99,,x y", ("NA", "-99", "x y")),
        ([" NA ", "", "a,b"], ("NA", "a,b")),
        ((word for word in ("u", "v")), ("u", "v")),
    ],
)
def test_words_of_ones_own(given, words):
    assert missing_words(given) == words


@pytest.mark.parametrize("given", [-99, ["NA", -99], [None], [np.nan], 1.5, b"NA", True])
def test_words_that_are_none(given):
    with pytest.raises(TypeError, match=r"missing must be words such as '-999' or \['\?', 'NA'\], got "):
        missing_words(given)


def test_a_minus_beside_a_plus():
    """In text, and where the caller has named no words."""
    without = tuple(word for word in MISSING if word != "-")
    assert words_of_column(pl.Series(["+", "-"]), MISSING) == without
    assert words_of_column(pl.Series(["++", "-", None]), MISSING) == MISSING
    assert words_of_column(pl.Series(["+", "-"]), ("-",)) == ("-",)
    assert words_of_column(pl.Series([1, 2]), MISSING) == MISSING


def test_empty_cells_are_missing_whatever_the_words():
    assert without_missing(pl.Series(["a", None, "NA"]), ()).to_list() == ["a", None, "NA"]
    assert without_missing(pl.Series(["a", None, "NA"]), ("a",)).to_list() == [None, None, "NA"]
    for dtype in (pl.Float32, pl.Float64):
        found = without_missing(pl.Series([1.5, float("nan"), None], dtype=dtype), ())
        assert found.to_list() == [1.5, None, None]
    assert without_missing(pl.Series([1, None]), ("1",)).to_list() == [1, None]
