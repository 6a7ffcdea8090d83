"""Sparse rows from files, as SciPy and scikit-learn write them."""

import gzip
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gpunet.datasets import load, read_rows

scipy_sparse = pytest.importorskip("scipy.sparse")
svmlight = pytest.importorskip("sklearn.datasets")

RNG = np.random.default_rng(0)
X = np.where(RNG.random((40, 6)) < 0.6, 0.0, RNG.normal(size=(40, 6)))
X[0] = np.arange(1.0, 7.0)  # every feature occurs
Y = np.arange(40) % 3


def dense(dataset):
    """All rows of a data set with their targets, in the order of X."""
    rows = scipy_sparse.vstack([dataset.X, dataset.X_test]).toarray()
    targets = np.concatenate([dataset.y, dataset.y_test])
    order = [int(np.argmin(abs(rows - row).sum(axis=1))) for row in X]
    return rows[order], targets[order]


@pytest.fixture
def npz(tmp_path):
    def write(rows, y=Y):
        scipy_sparse.save_npz(tmp_path / "X.npz", rows)
        np.save(tmp_path / "y.npy", y)
        return tmp_path / "X.npz", tmp_path / "y.npy"

    return write


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr"])
def test_npz_of_scipy(npz, kind):
    path, y = npz(scipy_sparse.coo_matrix(X).asformat(kind))
    data = load(path, target=y, test_fraction=0.25, dtype="float64")
    assert data.X.format == "csr" and data.X.dtype == "float64"
    assert data.X.shape == (30, 6) and data.X_test.shape == (10, 6)
    rows, targets = dense(data)
    assert_allclose(rows, X)
    assert_array_equal(targets, Y)
    assert data.class_names == ("0", "1", "2") and data.name == "X" and data.first_feature is None
    assert data.notes == (f"sparse rows, {np.count_nonzero(X) / 40:.1f} numbers an example",)
    assert "30 training and 10 test examples of 6 features" in repr(data)
    rows = read_rows(path)
    assert rows.dtype == "float32" and rows.format == "csr"
    assert_allclose(rows.toarray(), X, rtol=1e-6)


def test_the_test_set_is_stratified_and_chosen_by_the_seed(npz):
    path, y = npz(scipy_sparse.csr_array(X))
    first, again, other = (load(path, target=y, seed=seed) for seed in (0, 0, 1))
    assert set(np.bincount(first.y_test).tolist()) <= {2, 3}
    assert_array_equal(first.X.toarray(), again.X.toarray())
    assert not np.array_equal(first.X.toarray(), other.X.toarray())


def test_bad_npz(npz, tmp_path):
    path, y = npz(scipy_sparse.csr_array(X))
    with pytest.raises(ValueError, match=r"name the .npy file of y with target"):
        load(path)
    with pytest.raises(ValueError, match=r"expected y in a .npy file"):
        load(path, target="y")
    np.save(tmp_path / "short.npy", Y[:-1])
    with pytest.raises(ValueError, match=r"has 40 rows and .*short.npy has 39"):
        load(path, target=tmp_path / "short.npy")
    arrays = dict(np.load(path))
    for name, value, message in (
        ("indices", arrays["indices"] + 9, "cannot be read as sparse rows"),
        ("format", np.array(b"other"), "cannot be read as sparse rows"),
        ("data", arrays["data"] * 1j, "real numbers"),
        ("shape", np.array([40, 0]), "cannot be read as sparse rows|not be empty"),
    ):
        np.savez(tmp_path / "bad.npz", **{**arrays, name: value})
        with pytest.raises(ValueError, match=rf"bad.npz.*({message})"):
            load(tmp_path / "bad.npz", target=y)


# --- svmlight ---------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    def write(y=Y, rows=X, zero_based=False, name="data.svm", **options):
        svmlight.dump_svmlight_file(rows, y, str(tmp_path / name), zero_based=zero_based, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize("zero_based", [False, True])
@pytest.mark.parametrize("name", ["data.svm", "data.LIBSVM", "data.svmlight"])
def test_svmlight(file, zero_based, name):
    path = file(zero_based=zero_based, name=name, comment="made by a test")
    data = load(path, dtype="float64")
    rows, targets = dense(data)
    assert_allclose(rows, X)
    assert_array_equal(targets, Y)
    assert data.X.dtype == "float64" and data.first_feature == (0 if zero_based else 1)
    assert data.class_names == ("0", "1", "2") and data.name == "data"
    assert_allclose(read_rows(path).toarray(), X, rtol=1e-6)
    assert read_rows(path).dtype == "float32"


def test_svmlight_compressed(file):
    path = file()
    packed = path.with_name("data.svm.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert_allclose(dense(load(packed))[0], X, rtol=1e-6)
    assert load(packed).name == "data"


def test_targets_of_svmlight(file):
    signs = np.where(Y > 0, 1, -1)
    assert load(file(signs)).class_names == ("-1", "1")
    values = RNG.normal(size=40)
    data = load(file(values))
    assert data.class_names is None and data.y.shape == (32, 1)
    assert_allclose(dense(data)[1][:, 0], values)
    data = load(file(Y), kind="values")
    assert data.class_names is None and data.y.dtype == "float64"


def test_several_labels_of_svmlight(file):
    labels = np.array([[1, 0, 1], [0, 1, 1]] * 20)
    data = load(file(labels, multilabel=True))
    rows, targets = dense(data)
    assert_allclose(rows, X, rtol=1e-6)
    assert_array_equal(targets, labels)
    assert data.class_names == ("0", "1", "2")
    with pytest.raises(ValueError, match="kind='classes'"):
        load(file(labels, multilabel=True), kind="classes")


def test_fewer_features_than_in_training(file):
    few = file(rows=X[1:, :3], y=Y[1:])  # counted from 1
    assert read_rows(few).shape == (39, 3)
    rows = read_rows(few, inputs=6)
    assert rows.shape == (39, 6)
    assert_allclose(rows.toarray()[:, :3], X[1:, :3], rtol=1e-6)
    assert load(few, inputs=5).X.shape[1] == 5
    later = np.where(np.arange(6) == 0, 0.0, X)  # without feature 0
    found = read_rows(file(rows=later, zero_based=True), inputs=6, first_feature=0)
    assert_allclose(found.toarray(), later, rtol=1e-6)
    assert read_rows(file(rows=later, zero_based=True)).shape == (40, 5)  # read as counted from 1
    with pytest.raises(ValueError, match=r"features up to 6, the network takes 4 from 1 on"):
        read_rows(file(), inputs=4)
    with pytest.raises(ValueError, match="has a feature 0"):
        read_rows(file(zero_based=True), first_feature=1)


def test_bad_svmlight(file, tmp_path):
    with pytest.raises(ValueError, match="its targets are in the file itself, got target='y'"):
        load(file(), target="y")
    for text, message in (
        ("", "cannot be read as svmlight|no examples"),
        ("1 2:x\n", "cannot be read as svmlight"),
        ("red 1:2\n", "cannot be read as svmlight"),
        ("1\n2\n", "no examples with features"),
    ):
        (tmp_path / "bad.svm").write_text(text)
        with pytest.raises(ValueError, match=rf"bad.svm.*({message})"):
            load(tmp_path / "bad.svm")
    with pytest.raises(FileNotFoundError, match=r"nowhere.svm"):
        load(tmp_path / "nowhere.svm")


@pytest.mark.parametrize(
    ("module", "name"), [("scipy.sparse", "SciPy"), ("sklearn.datasets", "scikit-learn")]
)
def test_what_is_not_installed_is_named(module, name, npz, file, monkeypatch):
    path, y = npz(scipy_sparse.csr_array(X))
    one = {"SciPy": path, "scikit-learn": file()}[name]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {name}: pip install .*\[sklearn\]"):
        load(one, target=y if one is path else None)
