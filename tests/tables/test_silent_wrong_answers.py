"""Inputs that were once read as something else, without a word."""

import io

import numpy as np
import pandas as pd
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.tables import TableEncoder, Target


def table_of(text, **options):
    return read_table(io.BytesIO(text.encode()), **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "x", [1.4e9 + np.linspace(0, 3600, 400), 1e18 * np.linspace(1, 2, 400), 1e-24 * np.linspace(1, 2, 400)]
)
def test_a_small_deviation_is_no_constant(x, dtype):
    encoder = TableEncoder("standard").fit({"x": x})
    _, arrays = encoder.to_state()
    assert encoder.left_out == {}
    np.testing.assert_allclose(arrays["column 0 numbers"], [x.mean(), x.std()], rtol=1e-9)
    X = encoder.transform({"x": x}, dtype)
    np.testing.assert_allclose((X.min(), X.max(), X.std()), (-np.sqrt(3), np.sqrt(3), 1), rtol=0.01)


def test_a_deviation_from_text_is_the_same():
    x = [f"{1_400_000_000 + 9 * k}" for k in range(400)]
    X = TableEncoder("standard").fit_transform(
        table_of("time,y\n" + "".join(f"{t},{k % 5}\n" for k, t in enumerate(x)))
    )
    assert abs(X[:, 0].std() - 1) < 1e-5


@pytest.mark.parametrize(
    ("header", "name"), [("0,1,2", "2"), ("2023,2024,trend", "trend"), ("2023,2024,trend", -1), ("0,1,2", -1)]
)
def test_a_header_of_numbers_is_no_row(header, name):
    table = table_of(
        header + "\n" + "".join(f"{k / 4},{k * k / 8},{k % 2}\n" for k in range(12)), target=name
    )
    assert len(table) == 12
    assert table.columns == header.split(",")[:2]
    assert Target().fit(table).class_names == ("0", "1")


@pytest.mark.parametrize("word", ["NA", "null", "None", "N/A", "#N/A", "-", "", "?", "nan"])
def test_a_word_for_missing_is_no_class(word):
    rows = [f"{k},{('cat', 'dog')[k % 2]}" for k in range(10)] + [f"10,{word}", f"11,{word}"]
    table = table_of("x,animal\n" + "\n".join(rows) + "\n", target="animal")
    assert Target().fit(table).class_names == ("cat", "dog")
    assert (len(table), table.left_out) == (10, 2)


@pytest.mark.parametrize(
    "labels",
    [
        (str(2**53), str(2**53 + 1)),
        (str(2**64), str(2**64 + 1)),
        ("02139", "10001"),
        ("007", "7"),
        ("1E2", "2E1"),
    ],
)
def test_labels_are_kept_as_they_are_written(labels):
    table = table_of("x,y\n" + "".join(f"{k},{labels[k % 2]}\n" for k in range(10)), target="y")
    target = Target().fit(table)
    assert set(target.class_names) == set(labels)
    assert target.decode(target.encode(table)).tolist() == [labels[k % 2] for k in range(10)]


def test_a_zip_code_is_no_number():
    encoder = TableEncoder().fit(table_of("zip,x\n" + "02139,1\n10001,2\n" * 3))
    assert encoder.feature_names[:2] == ["zip=02139", "zip=10001"]
    # A later file may hold none with a leading zero.
    np.testing.assert_array_equal(encoder.transform(table_of("zip,x\n10001,1\n"))[0, :2], [0, 1])


@pytest.mark.parametrize("count", [2, 26, 30, 31, 200])
def test_integers_are_the_same_from_every_format(count):
    y = [k % count for k in range(10 * count)]
    text = table_of("x,y\n" + "".join(f"{k},{label}\n" for k, label in enumerate(y)), target="y")
    frame = read_table(pd.DataFrame({"x": range(len(y)), "y": y}), target="y")
    sources = [
        text,
        frame,
        np.array(y),
        np.array(y)[:, None],
        np.array(y, float),
        np.array(y, float)[:, None],
        y,
    ]
    targets = [Target().fit(source) for source in sources]
    assert {target.kind for target in targets} == {"classes" if count <= 30 else "values"}
    assert len({target.class_names for target in targets}) == 1
    for target, source in zip(targets, sources, strict=True):
        np.testing.assert_allclose(target.encode(source), targets[0].encode(text))


def test_duplicate_names_are_refused_before_training():
    with pytest.raises(ValueError, match="expected columns of different names, 2 are called 'a'"):
        table_of("a,a,y\n1,2,0\n3,4,1\n", target="y")


def test_swapped_columns_give_the_same_inputs():
    encoder = TableEncoder().fit(table_of("a,b\n1,100\n2,300\n3,200\n"))
    np.testing.assert_array_equal(
        encoder.transform(table_of("b,extra,a\n100,x,1\n300,y,2\n")),
        encoder.transform(table_of("a,b\n1,100\n2,300\n")),
    )
