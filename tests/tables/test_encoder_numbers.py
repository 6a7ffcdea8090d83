"""Columns of numbers: how they are written, their units, and codes that are no numbers."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpunet.datasets import read_table
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


@pytest.mark.parametrize(
    ("training", "later", "values"),
    [
        # The mark of the later file, where it is another one than that of the training
        ("x;y\n1,500;1\n0,125;0\n", "x,y\n1.500,1\n2.250,0\n", [1.5, 2.25]),
        ("x;y\n1,500;1\n0,125;0\n", "x;y\n1.500;0.5\n2.250;1.0\n", [1.5, 2.25]),
        ("x,y\n1.500,1\n0.125,0\n", "x;y\n1.500;0,5\n2.250;1,0\n", [1500, 2250]),
        ("x,y\n1.500,1\n0.125,0\n", "x;y\n1.500;0,5\n0.250;1,0\n", [1.5, 0.25]),
        # That of the training, where the file shows none, or the same
        ("x;y\n1,500;1\n0,125;0\n", "x;y\n1.500;1\n2.250;0\n", [1500, 2250]),
        ("x;y\n1,500;1\n0,125;0\n", "x;y\n1.500;1\n0.250;0\n", [1.5, 0.25]),
        ("x;y\n1.500;1,5\n0.125;0,5\n", "x;y\n1.500;0,5\n2.250;1,0\n", [1.5, 2.25]),
        ('x,y\n"0,125",1\n"5,000",0\n', 'x,y\n"2,500",1\n"0,5",0\n', [2.5, 0.5]),
        ('x,y\n"0,125",1\n"5,000",0\n', 'x,y\n"2,500",1\n"1,000",0\n', [2.5, 1]),
        ('x,y\n"1,125",1\n"5,000",0\n', 'x,y\n"2,500",1\n"1,000",0\n', [2500, 1000]),
    ],
)
def test_numbers_of_files_with_another_decimal_mark(training, later, values):
    encoder = TableEncoder("standard").fit(read_table(io.BytesIO(training.encode())))
    for one in (encoder, restored(encoder)):
        np.testing.assert_array_equal(
            one.transform(read_table(io.BytesIO(later.encode())))[:, 0],
            one.transform({"x": values, "y": [0] * 2})[:, 0],
        )


def test_numbers_of_text_in_a_dict_after_decimal_commas():
    text = "x;y\n" + "".join(f"{k / 8:.3f};{k % 2}\n".replace(".", ",") for k in range(1, 40))
    encoder = TableEncoder("standard").fit(read_table(io.BytesIO(text.encode())))
    np.testing.assert_array_equal(
        encoder.transform({"x": ["1.500", "0.125"], "y": [0, 1]}),
        encoder.transform({"x": [1.5, 0.125], "y": [0, 1]}),
    )


def test_an_encoder_of_an_older_file_knows_no_decimal_mark():
    state, arrays = TableEncoder("standard").fit({"x": ["1,5", "2,5"]}).to_state()
    for column in state["columns"]:
        del column["reading"]["decimal"]
    encoder = TableEncoder.from_state(state, arrays)
    assert (
        encoder.transform({"x": ["1,5", "2.500"]}).tolist() == encoder.transform({"x": [1.5, 2500]}).tolist()
    )


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
