"""Names of classes: one for all ways to write a class, and their order."""

import itertools

import pytest

from gpunet.tables.class_names import canonical, class_names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *[
            ("7.0", "7"),
            ("+7.0", "7"),
            ("7.", "7"),
            ("-5.0", "-5"),
            ("-12.00", "-12"),
            ("0.0", "0"),
            ("10.0", "10"),
        ],
        *[("TRUE", "true"), ("False", "false")],
        # Codes, words and other numbers are their own names.
        *[
            (text, text)
            for text in (
                "07.0",
                "00.0",
                "-07.0",
                "7",
                "+7",
                "7.0_",
                "1.5",
                "v1.0",
                "1.0a",
                ".0",
                "-.0",
                "a",
                "",
            )
        ],
    ],
)
def test_what_ways_to_write_a_class_have_in_common(text, name):
    assert canonical(text) == name


@pytest.mark.parametrize("numbers", [False, True])
def test_one_name_for_all_ways_else_as_written(numbers):
    assert class_names(["3", "2.0"], numbers=numbers) == ("2.0", "3")
    assert class_names(["2", "3", "2.0"], numbers=numbers) == ("2", "3")
    assert class_names(["-2.00", "-2.0"], numbers=numbers) == ("-2",)


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        (True, ("-3", "-1,5", "0.25", "2", "9007199254740992", "9007199254740993", "1e20", "a", "b", "inf")),
        # Of equal numbers, the one that is no integer is first: saved networks count on it.
        (True, ("1e0", "1")),
        (False, ("-1", "10", "2", "B", "a")),
    ],
)
def test_the_order_does_not_depend_on_the_cells(numbers, names):
    for texts in itertools.islice(itertools.permutations(names), 0, 5000, 7):
        assert class_names(list(texts), numbers=numbers) == names
