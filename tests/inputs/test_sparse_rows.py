"""SciPy's sparse matrices to checked rows: every format and type, and what is wrong with some of them."""

import numpy as np
import pytest

scipy_sparse = pytest.importorskip("scipy.sparse")

import fake_cupyx  # noqa: E402
from gpunet.devices.scipy_sparse import is_sparse  # noqa: E402
from gpunet.inputs.sparse_rows import checked_sparse_rows  # noqa: E402

DENSE = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 0], [0, 0, 4, 5]])
KINDS = [
    getattr(scipy_sparse, f"{fmt}_{kind}")
    for fmt in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
]


def rows_of(X, dtype="float32", inputs=None):
    rows = checked_sparse_rows("X", X, dtype, inputs)
    assert isinstance(rows, scipy_sparse.csr_array)
    assert (rows.dtype, rows.indices.dtype) == (dtype, "int32")
    assert rows.has_canonical_format
    return rows


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_format(kind):
    X = kind(DENSE.astype("float64"))
    assert is_sparse(X)
    assert np.array_equal(rows_of(X).toarray(), DENSE)
    assert np.array_equal(X.toarray(), DENSE)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32", "float64"])
@pytest.mark.parametrize("wanted", ["float32", "float64"])
def test_any_type(dtype, wanted):
    X = scipy_sparse.csr_array(DENSE.astype(dtype))
    assert np.array_equal(rows_of(X, wanted).toarray(), DENSE.astype(dtype))


def entries(rows, features, values, shape=(3, 4), index="int32"):
    """A CSR matrix with these entries just as they are, `rows` in order."""
    starts = np.searchsorted(rows, np.arange(shape[0] + 1)).astype(index)
    return scipy_sparse.csr_array((np.array(values), np.array(features, index), starts), shape=shape)


def test_arrays_that_are_right_are_shared():
    X = entries([0, 0, 2], [1, 3, 0], np.array([1, 2, 3], "float32"))
    rows = rows_of(X)
    for a, b in ((rows.data, X.data), (rows.indices, X.indices)):
        assert np.shares_memory(a, b)
    other = rows_of(scipy_sparse.csr_array(X.astype("float64")))
    assert np.array_equal(other.toarray(), X.toarray())


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_duplicates_are_summed_and_indices_sorted(index):
    X = entries([0, 0, 0, 2, 2], [3, 1, 3, 2, 0], [1.0, 2.0, 4.0, 8.0, 16.0], index=index)
    kept = X.data.copy(), X.indices.copy(), X.indptr.copy()
    rows = rows_of(X)
    assert rows.toarray().tolist() == [[0, 2, 0, 5], [0, 0, 0, 0], [16, 0, 8, 0]]
    assert rows.indices.tolist() == [1, 3, 0, 2]
    for old, new in zip(kept, (X.data, X.indices, X.indptr), strict=True):
        assert np.array_equal(old, new)
    # A flag from before a change in place is not believed.
    X = entries([0, 0], [1, 3], [1.0, 2.0])
    assert X.has_canonical_format
    X.indices[:] = 2
    assert rows_of(X).toarray()[0].tolist() == [0, 0, 3, 0]


def test_zeros_that_are_entries_stay():
    X = entries([0, 1], [1, 3], [0.0, 2.0])
    assert rows_of(X).nnz == 2


def test_no_entries_at_all():
    assert rows_of(scipy_sparse.csr_array((3, 4))).nnz == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda X: X.indices.__setitem__(1, 4), r"X is not a valid sparse matrix: .*4"),
        (lambda X: X.indices.__setitem__(1, -1), r"X is not a valid sparse matrix: .*0"),
        (lambda X: X.indptr.__setitem__(1, 3), r"X is not a valid sparse matrix"),
        (lambda X: X.data.__setitem__(2, np.nan), r"X holds NaN, infinity or .* float32, first in row 2\."),
        (lambda X: X.data.__setitem__(0, 1e39), r"X holds NaN, infinity or .* float32, first in row 0\."),
        (lambda X: X.data.__setitem__(1, -np.inf), r"first in row 0\."),
    ],
)
def test_what_is_wrong_inside(spoil, said):
    X = entries([0, 0, 2], [1, 3, 0], [1.0, 2.0, 3.0])
    spoil(X)
    with pytest.raises(ValueError, match=said):
        rows_of(X)


def test_duplicates_that_are_too_large_together():
    with pytest.raises(ValueError, match=r"first in row 1\."):
        rows_of(entries([1, 1], [2, 2], [3e38, 3e38]))


@pytest.mark.parametrize(
    ("X", "inputs", "error", "said"),
    [
        (scipy_sparse.csr_array((3, 4)), 5, ValueError, "X has 4 features per example .*the network takes 5"),
        (scipy_sparse.csr_array((5, 3)), 5, ValueError, r"These look like columns: pass X\.T\."),
        (scipy_sparse.csr_array((0, 4)), None, ValueError, r"X is empty: its shape is \(0, 4\)"),
        (scipy_sparse.csr_array((3, 0)), None, ValueError, r"X is empty: its shape is \(3, 0\)"),
        (scipy_sparse.coo_array([1.0, 0, 2]), None, ValueError, r"rows of examples.* got shape \(3,\)"),
        (scipy_sparse.csr_array((3, 2**31)), None, ValueError, "more than 2147483647"),
        (scipy_sparse.csr_array((3, 4), dtype="complex64"), None, TypeError, "it holds complex numbers"),
    ],
)
def test_what_is_wrong_outside(X, inputs, error, said):
    with pytest.raises(error, match=said):
        checked_sparse_rows("X", X, "float32", inputs)


def test_what_is_not_sparse():
    for X in (DENSE, DENSE.tolist(), None, "csr"):
        assert not is_sparse(X)


def test_scipy_is_not_imported_to_know(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "scipy.sparse")
    assert not is_sparse(scipy_sparse.csr_array((3, 4)))
    assert "scipy.sparse" not in sys.modules


def test_a_matrix_on_a_device_is_copied_to_the_host(monkeypatch):
    X = fake_cupyx.install(monkeypatch)(scipy_sparse.csr_matrix(DENSE))
    assert np.array_equal(rows_of(X).toarray(), DENSE)
    assert X.copies == 1


def test_the_largest_number_of_features(monkeypatch):
    """That of what kernels count with."""
    monkeypatch.setattr("gpunet.inputs.sparse_rows.LARGEST", 4)
    X = scipy_sparse.csr_array(np.eye(3, 5))
    assert rows_of(X[:, :4]).shape == (3, 4)
    assert rows_of(scipy_sparse.csr_array(np.ones((1, 4)))).nnz == 4  # with indices of int32, still
    with pytest.raises(ValueError, match="X has 5 features per example, more than 4"):
        rows_of(X)
