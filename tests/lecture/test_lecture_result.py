"""How the values of an experiment are written, at the borders of each form too."""

import pytest

from gpunet.lecture import Result, number, percent
from gpunet.lecture.result import format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0005, "0.1%"), (0.0007, "0.1%"), (0.00049, "less than 0.1%"), (0.9994, "99.9%"), (0.9995, "more than 99.9%"),
    ],
)  # fmt: skip
def test_percentages(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.001, 2, "0.001"), (0.0015, 2, "0.0015"), (0.00099, 2, "9.9·10⁻⁴"), (37.25, 3, "37.2"), (-37.25, 3, "−37.2"),
        (999_999.0, 2, "999,999"), (1e6, 2, "1.0·10⁶"), (1.5e6, 2, "1.5·10⁶"), (1.0, 1, "1"),
    ],
)  # fmt: skip
def test_numbers_in_sentences(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"), (0.0015, "0.0015"), (0.00099, "9.9·10⁻⁴"), (999.44, "999.4"), (1000.0, "1,000"),
        (1000.4, "1,000"), (-1000.4, "−1,000"), (9_999_999.0, "9,999,999"), (1e7, "1.0·10⁷"), (1.54e7, "1.5·10⁷"),
        (0.0, "0"), (0, "0"), (12345, "12,345"), ("a word", "a word"), ([1, 0.5], "1, 0.5"), ((), ""),
    ],
)  # fmt: skip
def test_measured_values(value, text):
    assert format_value(value) == text


def test_a_result_as_text():
    values = {"a": 1.0, "longer name": [0.5] * 6}
    result = Result(values, ["One.", "Two."], ["Wrong."])
    indent = " " * 13
    lines = [f"a{' ' * 12}1", "longer name  0.5, 0.5, 0.5,", f"{indent}0.5, 0.5, 0.5"]
    assert result.lines(30) == lines
    assert str(result) == f"{lines[0]}\nlonger name  {', '.join(['0.5'] * 6)}\n\nOne. Two.\n\nMistake: Wrong."
    assert str(Result({"a": 1.0}, ["One."])) == "a  1\n\nOne."
