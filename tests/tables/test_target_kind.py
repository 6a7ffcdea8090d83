"""Classes or values: one rule for every format, and the argument that overrides it."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gpunet.tables import Target

FORMATS = {
    "list": list,
    "text": lambda values: [str(value) for value in values],
    "array": np.array,
    "column": lambda values: np.array(values)[:, None],
    "polars": lambda values: pl.Series("y", values),
    "pandas": lambda values: pd.Series(values, name="y"),
    "pandas, nullable": lambda values: pd.Series(values, name="y").convert_dtypes(),
    "pyarrow": pa.array,
    "pyarrow, chunked": lambda values: pa.chunked_array([values]),
}


RULE = {
    "words": (["a", "b"] * 4, ("a", "b")),
    "booleans": ([True, False] * 4, ("False", "True")),
    "0 and 1": ([0, 1] * 4, ("0", "1")),
    "26 integers, four rows each": ([k % 26 for k in range(104)], tuple(str(k) for k in range(26))),
    "26 integers, three rows each": ([k % 26 for k in range(78)], None),
    "31 integers": ([k % 31 for k in range(310)], None),
    "all different": (list(range(10, 20)), None),
    "real": ([0.5, 1.5] * 20, None),
    "beyond 2**53": ([2**53, 2**53 + 1] * 4, (str(2**53), str(2**53 + 1))),
    "negative": ([-1, 1] * 4, ("-1", "1")),
}


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize("name", RULE)
def test_one_rule_for_every_format(name, made):
    values, names = RULE[name]
    target = Target().fit(FORMATS[made](values))
    assert (target.kind, target.class_names) == ("values" if names is None else "classes", names)
    encoded = target.encode(FORMATS[made](values))
    if names is None:
        assert (encoded.shape, encoded.dtype) == ((len(values), 1), np.float64)
        np.testing.assert_allclose(encoded[:, 0], (np.array(values) - np.mean(values)) / np.std(values))
        np.testing.assert_allclose(target.decode(encoded), values)
    else:
        assert encoded.dtype == np.int64
        assert target.decode(encoded).tolist() == [str(value) for value in values]


@pytest.mark.parametrize("made", ["list", "array", "column", "polars", "pandas", "pyarrow"])
def test_whole_floats_are_as_integers(made):
    target = Target().fit(FORMATS[made]([0.0, 1.0] * 4))
    assert target.class_names == ("0", "1")
    assert target.encode([1, 0]).tolist() == target.encode(["1", "0.0"]).tolist() == [1, 0]
    assert Target().fit(["0.0", "1.0"] * 4).class_names == ("0.0", "1.0")  # as they are written
    assert Target().fit(["0", "1.0", "1", "0.0"] * 4).class_names == ("0", "1")  # in two ways


@pytest.mark.parametrize("made", ["list", "array", "polars", "pandas", "text"])
def test_kind_overrides_the_rule(made):
    few, many = FORMATS[made]([3, 5] * 4), FORMATS[made](list(range(50)))
    assert Target("values").fit(few).class_names is None
    assert Target("classes").fit(many).class_names == tuple(map(str, range(50)))
    np.testing.assert_allclose(Target("values").fit(few).encode(few)[:2, 0], [-1, 1])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([3, 5], "classes"),  # two, however few the rows
        ([1, 2, 3] * 2 + [1, 2], "values"),
        ([1, 2, 3] * 4, "classes"),  # four rows each
        ([1, 2, 3] * 3 + [1, 2], "values"),
        ([1, 2, 3] * 4 + [None], "classes"),
        ([1, 2, 3] * 3 + [1, 2, None], "values"),  # missing rows do not count
        ([1, 2.5] * 8, "values"),
        ([1.0, 2.0, float("inf")] * 8, None),
    ],
)
def test_how_many_numbers_are_classes(values, kind):
    for made in (values, pl.Series(values, strict=False), pd.Series(values)):
        if kind is None:
            with pytest.raises(ValueError, match="must be finite, got inf in row 2"):
                Target().fit(made)
        else:
            assert Target().fit(made).kind == kind


@pytest.mark.parametrize("made", [list, pl.Series])
def test_how_many_words_are_classes(made):
    """More than 30, most of which occur once, or most of which are numbers, are none."""
    words = [f"name {k}" for k in range(31)]
    assert len(Target().fit(made(words[:30])).class_names) == 30
    assert len(Target().fit(made(words * 2)).class_names) == 31
    for hardly in (words, words + words[1:]):
        with pytest.raises(
            ValueError, match=r"hardly classes; choose another target, .*or say kind='classes'"
        ):
            Target().fit(made(hardly))
        assert len(Target("classes").fit(made(hardly)).class_names) == 31
    half = [f"n{k}" for k in range(16)] + [str(k) for k in range(16)]
    assert len(Target().fit(made(half * 2)).class_names) == 32
    with pytest.raises(ValueError, match="has 33 different words in 66 rows, such as 'n9': hardly classes"):
        Target().fit(made([*half, "16"] * 2))
    codes = [f"{k:02d}" for k in range(40)]
    assert len(Target().fit(made(codes * 2)).class_names) == 40


def test_a_word_among_numbers_makes_words_of_them():
    """A network must not be trained without the rows of a class."""
    cells = [str(k % 5) for k in range(60)] + ["n.d."]
    for made in (cells, pl.Series(cells)):
        assert Target().fit(made).class_names == ("0", "1", "2", "3", "4", "n.d.")
