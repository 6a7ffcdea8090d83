"""The user's own arrays: .npz and .npy."""

import itertools
import warnings
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from gpunet.datasets import Dataset, array_files, load, read_rows


def sorted_rows(*parts):
    return sorted(map(tuple, np.vstack(parts).tolist()))


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
    assert (data.y.shape, data.y.dtype, data.class_names) == ((8, 3), np.float64, None)
    assert load(npz(X=X, y=np.array(["b", "a"] * 5))).class_names == ("a", "b")
    assert load(npz(X=X, y=np.array([b"b", b"a"] * 5))).class_names == ("a", "b")
    assert load(npz(X=X, y=RNG.random(10))).y.shape == (8, 1)
    assert load(npz(X=X, speed=RNG.random(10)), target="speed").y.shape == (8, 1)
    assert load(npz(X=X, y=Y.astype(bool))).y.dtype == np.int64
    assert load(npz(X=np.zeros((2000, 1)), y=np.arange(2000))).class_names is None  # quantities
    with pytest.raises(ValueError, match="'y' holds one class only, '1'"):
        load(npz(X=X, y=np.ones(10)))
    with pytest.raises(ValueError, match="one column"):
        load(npz(X=X, y=rows), kind="classes")
    with pytest.raises(ValueError, match=r"row 3 \(counted from 0\)"):
        load(npz(X=X, y=np.where(np.arange(10) == 3, np.nan, Y)))


@pytest.mark.parametrize("count", [2, 26, 30, 31])
@pytest.mark.parametrize("kind", ["int64", "uint8", "float64"])
def test_one_rule_for_integers_and_whole_numbers_flat_or_in_a_column(npz, count, kind):
    y = (np.arange(10 * count) % count).astype(kind)
    found = [load(npz(X=np.zeros((len(y), 1)), y=form)) for form in (y, y[:, None])]
    for data in found:
        assert (data.class_names is not None) == (count <= 30)
        np.testing.assert_array_equal(data.y, found[0].y)
    if count <= 30:
        assert found[0].class_names == tuple(map(str, range(count)))


NAMES = {
    "ours": ("X", "y", "X_val", "y_val", "X_test", "y_test"),
    "Keras": ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
    "scikit-learn": ("X_train", "y_train", "X_valid", "y_valid", "X_test", "y_test"),
    "MedMNIST": ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
}


@pytest.mark.parametrize("who", NAMES)
def test_names_in_use(npz, who):
    """MedMNIST has images, and labels in a column."""
    images = RNG.integers(0, 256, (20, 4, 4), dtype=np.uint8)
    labels = (np.arange(20, dtype=np.uint8) % 3)[:, None]
    ends = (slice(0, 12), slice(12, 16), slice(16, 20))
    arrays = {}
    for (x, y), rows in zip(zip(NAMES[who][::2], NAMES[who][1::2], strict=True), ends, strict=True):
        arrays |= {x: images[rows], y: labels[rows]}
    data = load(npz(**arrays, extra=np.zeros(3)))
    assert data.image_shape == (4, 4)
    assert data.class_names == ("0", "1", "2")
    flat = images.reshape(20, -1) / np.float32(255)
    for X_found, y_found, rows in zip(
        (data.X, data.X_val, data.X_test), (data.y, data.y_val, data.y_test), ends, strict=True
    ):
        np.testing.assert_array_equal(X_found, flat[rows])
        np.testing.assert_array_equal(y_found, labels[rows, 0])
    assert data.notes == ("left out: the array extra",)


def test_data_and_target_of_scikit_learn(npz):
    data = load(npz(data=X, target=Y, feature_names=np.array(["a", "b", "c"])))
    assert (len(data.X), len(data.X_test), data.class_names) == (8, 2, ("0", "1"))
    assert data.notes == ("left out: the array feature_names",)
    with pytest.raises(ValueError, match="expected X_val and y_val together, got X_val alone"):
        load(npz(X=X, y=Y, X_val=X))


def test_dtype_reaches_the_rows(npz):
    exact = X + 1e-12
    path = npz(X=exact, y=Y)
    data = load(path, dtype="float64")
    assert sorted_rows(data.X, data.X_test) == sorted_rows(exact)
    np.testing.assert_array_equal(read_rows(path, dtype="float64"), exact)
    images = npz(X=RNG.integers(0, 256, (10, 2, 2), dtype=np.uint8), y=Y)
    assert load(images, dtype="float64").X.dtype == np.float64


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["test", "val"])
def test_sets_of_pixels_of_different_ranges_are_refused(npz, name, first):
    images = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2)
    names = (("X", f"X_{name}"), (f"X_{name}", "X"))[first]
    sets = {"y": Y, f"y_{name}": Y, names[0]: images}
    with pytest.raises(
        ValueError, match=f"{names[0]} has pixels of uint8, .* {names[1]} has values up to 39 of float32"
    ):
        load(npz(**sets, **{names[1]: images.astype("float32")}))
    for other in (images, images / 39, images / 39 + 1.0):
        load(npz(**sets, **{names[1]: other}))
    load(
        npz(
            **{**sets, names[0]: images.reshape(10, 4)}, **{names[1]: images.reshape(10, 4).astype("float32")}
        )
    )


def test_uint8_rows_that_are_not_images_are_not_scaled(npz):
    flat = np.array([[0, 1], [255, 2]] * 3, np.uint8)
    path = npz(X=flat, y=Y[:6])
    assert load(path).X.max() == 255
    np.testing.assert_array_equal(read_rows(path), flat)


BAD_NPZ = {
    "no y": ({"X": X}, "expected arrays X and y, got X;"),
    "half a test set": ({"X": X, "y": Y, "X_test": X}, "together"),
    "lengths": ({"X": X, "y": Y[:5]}, "must have 10 rows"),
    "scalar": ({"X": X, "y": np.float64(1)}, "must have 10 rows"),
    "rank": ({"X": np.zeros(10), "y": Y}, "rows .* or images"),
    "no rows": ({"X": X[:0], "y": Y[:0]}, "not empty"),
    "NaN": ({"X": np.where(X[6, 1] == X, np.nan, X), "y": Y}, "arrays.npz: X holds NaN, .* first in row"),
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
    with pytest.raises(ValueError, match=r"arrays.npz: cannot be read as arrays; it is damaged") as caught:
        load(npz(X=objects, y=Y))
    assert "allow_pickle" not in str(caught.value)
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
    with pytest.raises(ValueError, match=r"ends in .npz, .npy"):
        load(tmp_path / "table.xlsx")
    with pytest.raises(ValueError, match=r"is a table: read it with gpunet.datasets.read_table"):
        load(tmp_path / "table.csv")
    with pytest.raises(FileNotFoundError, match=r"nowhere.npz is not a file"):
        load(tmp_path / "nowhere.npz")


def test_read_rows_of_npz(npz):
    np.testing.assert_array_equal(read_rows(npz(images=X)), X.astype(np.float32))
    np.testing.assert_array_equal(read_rows(npz(y=Y, X=X)), X.astype(np.float32))
    with pytest.raises(ValueError, match="an array called X, got a, b"):
        read_rows(npz(a=X, b=X))


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
    with pytest.raises(ValueError, match="class 1 is only in the last rows"):
        load(x_path, target=npy(X, np.arange(10) // 8)[1])
    with pytest.raises(ValueError, match=r"in a .npy file"):
        load(x_path, target=y_path.rename(y_path.with_suffix(".csv")))
    with pytest.raises(ValueError, match="C order"):
        read_rows(npy(np.asfortranarray(np.zeros((4, 3, 2))), Y)[0])
    assert load(*npy(np.asfortranarray(X), Y)[:1], target=npy(X, Y)[1]).X.shape == (8, 3)


HEADERS = [
    b"",
    b"(",
    b"{'descr'",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (",
    b"[]",
    b"{}",
    b"7",
    b"None",
    b"'\\",
    b"\xff\x00",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**9,)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000, 4000000000)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': 7}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (None,)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (1e3, 2)}",
    b"{'descr': '<f4', 'fortran_order': 3, 'shape': (2, 2)}",
    b"{'descr': 'nonsense', 'fortran_order': False, 'shape': (2, 2)}",
    b"{'descr': [('a', '<f4')] * 3, 'fortran_order': False, 'shape': (2, 2)}",
    b"{'descr': [], 'fortran_order': False, 'shape': (2, 2)}",
    b"{'descr': '|V0', 'fortran_order': False, 'shape': (2, 2)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}",
    b"{" * 2000,
    b"(" * 5000 + b")" * 5000,
    b"-" * 3000 + b"1",
]


@pytest.mark.parametrize("version", [1, 2, 3, 7])
@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_crafted_headers_are_refused(header, version, tmp_path):
    """Whatever NumPy's parser raises for them; alone and in an archive."""
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    content = b"\x93NUMPY" + bytes([version, 0]) + size + header + bytes(16)
    alone, archive = tmp_path / "X.npy", tmp_path / "X.npz"
    alone.write_bytes(content)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("X.npy", content)
    for path in (alone, archive):
        with pytest.raises(ValueError, match="X"):
            read_rows(path)


def test_crafted_bytes_are_refused_or_rows(tmp_path):
    """Two hundred files in which some bytes of the header are others."""
    rng, path = np.random.default_rng(0), tmp_path / "X.npy"
    np.save(path, X)
    content = path.read_bytes()
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers(8, 128, rng.integers(1, 5)):
            changed[place] = rng.integers(0, 256)
        path.write_bytes(changed)
        with warnings.catch_warnings(), suppress(ValueError):
            warnings.simplefilter("ignore")
            read_rows(path)


def test_an_archive_larger_than_memory(npz, monkeypatch):
    """Refused before it is unpacked: 400 kB of zeros take a few hundred bytes."""
    path = npz(X=np.zeros((1000, 100), np.float32), y=np.arange(1000) % 2)
    size = 1000 * 100 * 4 + 128 + 1000 * 8 + 128  # with the headers of .npy
    monkeypatch.setattr(array_files, "host_memory", lambda: size)
    assert load(path).X.shape == (800, 100)
    monkeypatch.setattr(array_files, "host_memory", lambda: size - 1)
    with pytest.raises(
        ValueError, match=r"take 0\.0 GiB unpacked, and this process may use 0\.0 GiB .* as \.npy"
    ):
        load(path)


def test_what_is_no_path_and_no_seed(npz):
    for call in (load, read_rows):
        with pytest.raises(TypeError, match="path must be a path, a str or a pathlib"):
            call(None)
    with pytest.raises(TypeError, match="seed must be a whole number, got 'a'"):
        load(npz(X=X, y=Y), seed="a")
    with pytest.raises(TypeError, match=r"test_fraction must be a number, got '0\.2'"):
        load(npz(X=X, y=Y), test_fraction="0.2")


def test_a_data_set_of_lists_is_refused():
    with pytest.raises(TypeError, match="mine: y_test must be an array, got list"):
        Dataset(X, Y, X, Y.tolist(), "mine")
