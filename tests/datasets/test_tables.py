"""The user's own files: .npz, .npy, .csv."""

import itertools

import numpy as np
import pytest

from gpunet.datasets import load, read_rows


@pytest.fixture
def csv(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def sorted_rows(*parts):
    return sorted(map(tuple, np.vstack(parts).tolist()))


FLOWERS = "width,height,kind\n" + "".join(f"{k},{k}.5,{'rose' if k % 2 else 'aster'}\n" for k in range(10))


# ---- .csv


def test_csv_with_text_classes(csv):
    data = load(csv(FLOWERS))
    assert (data.X.shape, data.X_test.shape) == ((8, 2), (2, 2))
    assert (data.X.dtype, data.y.dtype) == (np.float32, np.int64)
    assert data.class_names == ("aster", "rose")
    assert data.name == "table"
    assert sorted(data.y_test) == [0, 1]  # stratified: one of each class
    X, y = np.vstack([data.X, data.X_test]), np.concatenate([data.y, data.y_test])
    np.testing.assert_array_equal(X[:, 0] % 2, y)
    np.testing.assert_array_equal(X[:, 1] - X[:, 0], 0.5)
    assert sorted(X[:, 0]) == list(range(10))


@pytest.mark.parametrize("target", ["a", 0, -3, "0"])
def test_csv_target_by_name_and_number(csv, target):
    path = csv("a,b,c\n" + "".join(f"{k / 4},{k},{2 * k}\n" for k in range(8)))
    data = load(path, target=target, test_fraction=0.25)
    assert data.X.shape == (6, 2)
    assert (data.y.shape, data.y.dtype, data.class_names) == ((6, 1), np.float32, None)
    np.testing.assert_array_equal(data.y[:, 0] * 4, data.X[:, 0])
    np.testing.assert_array_equal(data.X[:, 1], 2 * data.X[:, 0])


def test_csv_without_header_keeps_its_first_line(csv):
    path = csv("\ufeff1,0\n\n2,1\n3,0\n4,1\n")
    data = load(path, test_fraction=0.5)
    assert sorted_rows(data.X, data.X_test) == [(1,), (2,), (3,), (4,)]
    np.testing.assert_array_equal(read_rows(path), [[1, 0], [2, 1], [3, 0], [4, 1]])


def test_csv_header_with_numbers_is_recognised_by_the_name_of_the_target(csv):
    text = "0,1,label\n" + "5,6,no\n7,8,yes\n" * 4
    assert load(csv(text), target="label").class_names == ("no", "yes")
    with pytest.raises(ValueError, match=r"no column 'lable': .*it has"):
        load(csv("a,b,label\n1,2,3\n"), target="lable")


def test_csv_quoted_cells_and_line_numbers(csv):
    text = '"a ""x""",b\n1,"no\nway"\n\n2,yes\nfour,yes\n'
    with pytest.raises(ValueError, match=r"table.csv, line 6, column 'a \"x\"': .*'four'"):
        load(csv(text))


BAD_CSV = {
    "empty cell": ("a,b,c\n1,2,0\n1,,0\n", "line 3, column 'b': the cell is empty"),
    "text cell": ("a,b,c\n1,2,0\nx,1,0\n", "line 3, column 'a': expected a finite number, got 'x'"),
    "nan cell": ("a,b,c\n1,nan,0\n", "line 2, column 'b': expected a finite number, got 'nan'"),
    "too large": ("a,b,c\n1,1e39,0\n", "line 2, column 'b': expected a finite number, got '1e39'"),
    "underscore": ("a,b,c\n1,1_000,0\n", "line 2, column 'b'"),
    "no header": ("1,2,0\n1,x,0\n", r"line 2, column 1 \(from 0\)"),
    "empty target": ("a,b\n1,2\n3,\n", "line 3, column 'b': the target is missing"),
    "missing target": ("a,b\n1,2\n3,NaN\n", "line 3, column 'b': the target is missing"),
    "mixed target": ("a,b\n1,2\n3,two\n", "line 3, column 'b': .*'two' beside numbers"),
    "infinite target": ("a,b\n1,2\n3,inf\n", "line 3, column 'b': .*'inf'"),
    "ragged": ("a,b\n1,2\n3\n", "line 3: expected 2 cells as in line 1, got 1"),
    "empty": ("", "is empty"),
    "blank": ("\n \n", "is empty"),
    "header only": ("a,b\n", "no rows"),
    "one column": ("a\n1\n2\n", "at least one feature column beside the target"),
    "semicolons": ("a;b\n1;2\n", "separate the cells by commas"),
    "open quote": ('a,b\n1,"2\n', "line 2: this is not CSV"),
    "too few rows": ("a,b\n1,2\n", "give more examples"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_csv_errors_name_line_and_column(csv, case):
    text, message = BAD_CSV[case]
    with pytest.raises(ValueError, match=message):
        load(csv(text))


def test_csv_not_utf8_and_twice_the_same_name(csv):
    with pytest.raises(ValueError, match="expected UTF-8 text, got the byte 0xe9"):
        load(csv("a,b\n1,é\n", "latin-1"))
    with pytest.raises(ValueError, match="2 columns are called 'a'"):
        load(csv("a,a,b\n1,2,3\n"), target="a")
    with pytest.raises(ValueError, match="3 columns, numbered from 0 to 2; got number 3"):
        load(csv("a,a,b\n1,2,3\n"), target=3)
    with pytest.raises(TypeError, match="name or number"):
        load(csv(FLOWERS), target=1.5)


def test_read_rows_chooses_csv_columns(csv):
    path = csv(FLOWERS)
    rows = read_rows(path, ["height", 0])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:2], [[0.5, 0], [1.5, 1]])
    with pytest.raises(ValueError, match="line 2, column 'kind'"):
        read_rows(path)
    with pytest.raises(ValueError, match="did you mean 'height'"):
        read_rows(path, ["hieght"])


# ---- classes or values


def targets(csv, values, **options):
    return load(csv("x,t\n" + "".join(f"1,{v}\n" for v in values)), **options)


def test_rule_for_numbers_in_csv(csv):
    few = targets(csv, [3, 5.0, 7] * 4)
    assert few.class_names == ("3", "5", "7")
    assert set(few.y) == {0, 1, 2}
    assert targets(csv, range(20)).class_names is not None
    assert targets(csv, range(21)).class_names is None
    assert targets(csv, [0.5, 1, 2] * 4).class_names is None
    assert targets(csv, range(30), kind="classes").y.dtype == np.int64
    assert targets(csv, [0, 1] * 5, kind="values").y.shape == (8, 1)


def test_kind_is_checked(csv):
    with pytest.raises(ValueError, match=r"whole numbers .*got 0\.5"):
        targets(csv, [0.5, 1] * 5, kind="classes")
    with pytest.raises(ValueError, match=r"line 3, column 't'.*'b'"):
        targets(csv, [1, "b"] * 5, kind="values")
    assert targets(csv, [1, "b"] * 5, kind="classes").class_names == ("1", "b")
    with pytest.raises(ValueError, match="kind must be one of"):
        targets(csv, [0, 1] * 5, kind="class")
    with pytest.raises(ValueError, match="finite in float32"):
        targets(csv, [0.5, 1e300] * 5)


# ---- .npz


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        path = tmp_path / "arrays.npz"
        np.savez(path, **arrays)
        return path

    return write


RNG = np.random.default_rng(0)
X = RNG.random((10, 3))
Y = np.arange(10) % 2


@pytest.mark.parametrize(
    ("x", "y"), list(itertools.product(["X", "x", "X_train", "x_train"], ["y", "y_train"]))
)
def test_npz_is_split(npz, x, y):
    data = load(npz(**{x: X, y: Y}), test_fraction=0.3, seed=5)
    assert (data.X.shape, data.X_test.shape, data.X.dtype) == ((7, 3), (3, 3), np.float32)
    assert sorted_rows(data.X, data.X_test) == sorted_rows(X.astype(np.float32))
    assert data.class_names == ("0", "1")


def test_npz_with_a_test_set(npz):
    """As in the files of Keras: uint8 images, and labels as a column."""
    images = RNG.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    labels = np.array([[7], [9], [7], [9], [7], [9]], np.uint8)
    path = npz(x_train=images[:4], y_train=labels[:4], x_test=images[4:], y_test=labels[5:3:-1])
    data = load(path)
    assert data.image_shape == (4, 5, 3)
    np.testing.assert_array_equal(data.X, images[:4].reshape(4, -1) / np.float32(255))
    np.testing.assert_array_equal(data.X_test, images[4:].reshape(2, -1) / np.float32(255))
    assert data.class_names == ("7", "9")
    assert data.y.tolist() == [0, 1, 0, 1]
    assert data.y_test.tolist() == [1, 0]


def test_npz_gives_a_class_the_same_number_in_both_sets(npz):
    data = load(npz(X=X, y=np.full(10, 5), X_test=X, y_test=np.array([2, 5] * 5)))
    assert set(data.y) == {1}
    assert data.y_test.tolist() == [0, 1] * 5


def test_npz_targets(npz):
    rows = RNG.integers(0, 2, (10, 3))
    data = load(npz(X=X, y=rows))
    assert (data.y.shape, data.y.dtype, data.class_names) == ((8, 3), np.float32, None)
    assert load(npz(X=X, y=np.array(["b", "a"] * 5))).class_names == ("a", "b")
    assert load(npz(X=X, y=np.array([b"b", b"a"] * 5))).class_names == ("a", "b")
    assert load(npz(X=X, y=RNG.random(10))).y.shape == (8, 1)
    assert load(npz(X=X, speed=RNG.random(10)), target="speed").y.shape == (8, 1)
    assert load(npz(X=X, y=Y.astype(bool))).y.dtype == np.int64
    with pytest.raises(ValueError, match="2000 distinct integers"):
        load(npz(X=np.zeros((2000, 1)), y=np.arange(2000)))
    with pytest.raises(ValueError, match="one column"):
        load(npz(X=X, y=rows), kind="classes")
    with pytest.raises(ValueError, match=r"row 3 \(counted from 0\)"):
        load(npz(X=X, y=np.where(np.arange(10) == 3, np.nan, 1.0)))


def test_uint8_rows_that_are_not_images_are_not_scaled(npz):
    flat = np.array([[0, 1], [255, 2]] * 3, np.uint8)
    path = npz(X=flat, y=Y[:6])
    assert load(path).X.max() == 255
    np.testing.assert_array_equal(read_rows(path), flat)


BAD_NPZ = {
    "no y": ({"X": X}, "expected arrays X and y .*got X;"),
    "half a test set": ({"X": X, "y": Y, "X_test": X}, "together"),
    "lengths": ({"X": X, "y": Y[:5]}, "must have 10 rows"),
    "scalar": ({"X": X, "y": np.float64(1)}, "must have 10 rows"),
    "rank": ({"X": np.zeros(10), "y": Y}, "rows .* or images"),
    "no rows": ({"X": X[:0], "y": Y[:0]}, "not empty"),
    "complex": ({"X": X * 1j, "y": Y}, "real numbers"),
    "complex y": ({"X": X, "y": Y * 1j}, "numbers or text"),
    "other images": (
        {"X": np.zeros((10, 2, 3)), "y": Y, "X_test": np.zeros((10, 3, 2)), "y_test": Y},
        "rows of the same shape",
    ),
    "other columns": ({"X": X, "y": Y, "X_test": X[:, :2], "y_test": Y}, "same columns"),
    "other targets": ({"X": X, "y": Y, "X_test": X, "y_test": X}, "the same kind and shape"),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_npz_errors(npz, case):
    arrays, message = BAD_NPZ[case]
    with pytest.raises(ValueError, match=message):
        load(npz(**arrays))


def test_pickled_objects_are_refused(npz, tmp_path):
    objects = np.array([{}], object)
    with pytest.raises(ValueError, match=r"arrays.npz: cannot be read"):
        load(npz(X=objects, y=Y))
    np.save(tmp_path / "X.npy", objects)
    with pytest.raises(ValueError, match=r"X.npy: cannot be read"):
        read_rows(tmp_path / "X.npy")


@pytest.mark.parametrize("kept", [0, 10, 300, -30])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_damaged_files(tmp_path, kept, suffix):
    path = tmp_path / f"damaged.{suffix}"
    if suffix == "npz":
        np.savez(path, X=RNG.random((100, 3)))
    else:
        np.save(path, RNG.random((100, 3)))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=f"damaged.{suffix}"):
        read_rows(path)


def test_wrong_ending(tmp_path, npz):
    path = npz(X=X)
    with pytest.raises(ValueError, match="magic string"):
        read_rows(path.rename(tmp_path / "other.npy"))
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(ValueError, match=r"end its name in .npy"):
        read_rows((tmp_path / "one.npy").rename(tmp_path / "one.npz"))
    with pytest.raises(ValueError, match=r"ends in .npz, .npy, .csv"):
        load(tmp_path / "table.xlsx")
    with pytest.raises(FileNotFoundError, match=r"nowhere.csv is not a file"):
        load(tmp_path / "nowhere.csv")


def test_read_rows_of_npz(npz):
    np.testing.assert_array_equal(read_rows(npz(images=X)), X.astype(np.float32))
    np.testing.assert_array_equal(read_rows(npz(y=Y, X=X)), X.astype(np.float32))
    with pytest.raises(ValueError, match="an array called X, got a, b"):
        read_rows(npz(a=X, b=X))
    with pytest.raises(ValueError, match=r"in .csv files only"):
        read_rows(npz(X=X), [0])


# ---- .npy


@pytest.fixture
def npy(tmp_path):
    def write(X, y):
        np.save(tmp_path / "X.npy", X)
        np.save(tmp_path / "y.npy", y)
        return tmp_path / "X.npy", tmp_path / "y.npy"

    return write


def memory_map(array):
    """The memory map that an array is a view of."""
    while not isinstance(array, np.memmap):
        array = array.base
    return array


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_npy_is_memory_mapped_and_not_copied(npy, dtype):
    rows = RNG.integers(0, 256, (10, 2, 3)).astype(dtype)
    x_path, y_path = npy(rows, Y)
    data = load(x_path, target=y_path, test_fraction=0.3)
    flat = rows.reshape(10, 6)
    for found, expected in ((data.X, flat[:7]), (data.X_test, flat[7:])):
        assert found.dtype == dtype
        assert memory_map(found).filename == x_path
        assert not found.flags.owndata
        np.testing.assert_array_equal(found, expected)
    assert data.image_shape == (2, 3)
    assert data.y_test.tolist() == [1, 0, 1]
    assert memory_map(read_rows(x_path)).filename == x_path


def test_npy_errors(npy):
    x_path, y_path = npy(X, Y)
    with pytest.raises(ValueError, match="target="):
        load(x_path)
    with pytest.raises(ValueError, match=r"10 rows and .* has 9"):
        load(x_path, target=npy(X, Y[:9])[1])
    with pytest.raises(ValueError, match="class 4 is only in the last rows"):
        load(x_path, target=npy(X, np.arange(10) // 2)[1])
    with pytest.raises(ValueError, match=r"in a .npy file"):
        load(x_path, target=y_path.rename(y_path.with_suffix(".csv")))
    with pytest.raises(ValueError, match="C order"):
        read_rows(npy(np.asfortranarray(np.zeros((4, 3, 2))), Y)[0])
    assert load(*npy(np.asfortranarray(X), Y)[:1], target=npy(X, Y)[1]).X.shape == (8, 3)
