"""Columns of numbers: how they are written, their units, and codes that are no numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpunet.tables import TableEncoder
from mixed_tables import restored


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=30),
    st.sampled_from(["standard", "robust"]),
)
def test_all_numbers_give_finite_inputs(values, numbers):
    data = {"x": values, "y": [k % 2 for k in range(len(values))]}
    encoder = TableEncoder(numbers).fit(data)
    X = encoder.transform(data)
    assert np.isfinite(X).all()
    different = {value for value in values if value is not None}
    assert ("x" in encoder.feature_names) == (len(different) > 1)
    assert ("x is missing" in encoder.feature_names) == (None in values and len(different) > 0)
    np.testing.assert_array_equal(restored(encoder).transform(data), X)


def test_a_few_words_among_numbers_are_missing_and_said():
    cells = [str(k) for k in range(60)]
    cells[7], cells[9] = "n.d.", "trace"
    encoder = TableEncoder("standard").fit({"x": cells})
    assert encoder.describe() == ["numbers: x ('n.d.', 'trace' taken as missing)", "missing cells: x (2)"]
    assert encoder.transform({"x": ["trace"]}).tolist() == [[0, 1]]
    with pytest.raises(
        ValueError, match=r"row 1 \(counted from 0\), column 'x': expected numbers as in training, got 'pt'"
    ):
        encoder.transform({"x": ["1", "pt"]})
    # Many are categories.
    assert TableEncoder().fit({"x": cells[:19]}).describe() == ["categories: x (19 values)"]
    often = ["unknown" if k % 2 else str(k) for k in range(60)]
    assert TableEncoder().fit({"x": often}).describe()[0] == "numbers: x ('unknown' taken as missing)"
    grades = [("1", "2", "3", "4", "K")[k % 5] for k in range(50)]
    assert TableEncoder().fit({"g": grades}).describe() == ["categories: g (5 values)"]


def test_how_numbers_are_written_is_remembered():
    encoder = TableEncoder("standard").fit({"x": ["1.234,5", "2,5", "1"]})
    values = np.array([1234.5, 2.5, 1.0])
    later = np.array([1.234e3, 1.234])
    np.testing.assert_allclose(
        encoder.transform({"x": ["1.234", "1,234"]})[:, 0], (later - values.mean()) / values.std(), rtol=1e-6
    )
    np.testing.assert_allclose(
        encoder.transform({"x": [1234.0, 1.234]})[:, 0], (later - values.mean()) / values.std(), rtol=1e-6
    )
    thousands = TableEncoder("standard").fit({"x": ["1,234", "2,345.5", "7"]})
    np.testing.assert_allclose(thousands.transform({"x": ["1,234"]}), thousands.transform({"x": [1234]}))


def test_a_symbol_beside_every_number_is_its_unit():
    encoder = TableEncoder("standard").fit({"p": ["$1,200", "-$5.5", "$7"], "q": ["12%", "15 %", "9%"]})
    assert encoder.describe() == ["numbers: p (in $), q (in %)"]
    for later in ({"p": ["$7"], "q": ["15%"]}, {"p": ["7"], "q": [15]}):
        np.testing.assert_allclose(
            restored(encoder).transform(later),
            [[(7 - 1201.5 / 3) / np.std([1200, -5.5, 7]), 3 / np.std([12, 15, 9])]],
            rtol=1e-6,
        )
    assert TableEncoder().fit({"p": ["$1", "2", "3"]}).describe() == ["categories: p (3 values)"]
    assert TableEncoder().fit({"p": ["$1", "€2", "3"]}).describe() == ["categories: p (3 values)"]


def test_codes_are_told_from_numbers():
    encoder = TableEncoder().fit(
        {
            "e": ["1E2", "2E1", "30"],
            "x": ["1E2", "0.5", "30"],
            "s": ["1E+2", "20", "30"],
            "z": ["007", "8", "9"],
        }
    )
    assert encoder.describe() == ["numbers: x, s", "categories: e (3 values), z (3 values)"]
