"""Words to inputs: one-hot up to the limit, codes beyond, and that a word is missing."""

import hashlib
import itertools

import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.category_column import hashed


@pytest.mark.parametrize(("limit", "coded"), [(2, True), (3, False), (4, False)])
def test_up_to_the_limit_words_have_an_input_each(limit, coded):
    encoder = TableEncoder(one_hot_limit=limit).fit({"c": ["a", "b", "c", "a", None]})
    assert len(encoder.feature_names) == (1 + 32 + 1 if coded else 3 + 1)
    assert encoder.describe()[0] == f"categories: c (3 values{', coded' if coded else ''})"
    assert encoder.transform({"c": ["a", "a"]}).shape == (2, len(encoder.feature_names))


def test_one_word_or_nothing():
    """That a cell is missing is all that there is to learn."""
    encoder = TableEncoder().fit({"c": ["a", None, "a"], "x": [1, 2, 4]})
    assert encoder.feature_names == ["c is missing", "x"]
    assert encoder.describe()[1] == "categories: c (1 values)"
    assert encoder.transform({"c": ["a", None, "zz"], "x": [1, 1, 1]})[:, 0].tolist() == [0, 1, 0]


def test_codes_are_those_of_the_digest():
    """The ones stand where the bytes of the SHA-256 are smallest, the first of equal ones first."""
    words = [f"word {k}" for k in range(300)]
    for word, size, ones in itertools.product(words, [32, 20], [4, 9]):
        digest = hashlib.sha256(word.encode()).digest()
        assert hashed(word, size, ones) == sorted(range(size), key=digest.__getitem__)[:ones]


@pytest.mark.parametrize("limit", [2, 50])
def test_whole_numbers_with_a_point_or_without_are_one_category(limit):
    """As a file has them, or a column of floats."""
    cells = {
        "text": ["1.0", "2.0", "3.0", "1.0"],
        "whole": ["1", "2", "3", "1"],
        "floats": [1.0, 2.0, 3.0, 1.0],
    }
    later = {**cells, "mixed": ["1.00", "2", "3.0", "1."]}
    for name, trained in cells.items():
        encoder = TableEncoder(one_hot_limit=limit, kinds={"z": "category"}).fit({"z": trained})
        values = ("1.0", "2.0") if name == "text" else ("1", "2")
        assert limit == 2 or encoder.feature_names[:2] == [f"z={value}" for value in values]
        expected = encoder.transform({"z": trained}).tolist()
        for other in later.values():
            assert encoder.transform({"z": other}).tolist() == expected
        assert encoder.transform({"z": ["4.0", None, "1.5"]}).any() == 0


def test_booleans_as_categories():
    encoder = TableEncoder(kinds={"b": "category"}).fit({"b": ["true", "false"]})
    assert encoder.transform({"b": [True, False]}).tolist() == [[0, 1], [1, 0]]


def test_ways_to_write_a_number_that_training_tells_apart():
    encoder = TableEncoder(kinds={"z": "category"}).fit({"z": ["1", "1.0", "2"]})
    assert encoder.transform({"z": ["1", "1.0"]}).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert encoder.transform({"z": [1.0, 2.0]}).tolist() == [[1, 0, 0], [0, 0, 1]]
