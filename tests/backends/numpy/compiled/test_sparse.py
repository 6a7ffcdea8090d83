"""CSR and CSC of a batch's inputs, against NumPy."""

import itertools

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.optimizers import Adam
from gpunet.core.plan import Layer, Plan
from gpunet_numpy.compiled import data, sparse
from gpunet_numpy.compiled.barriers import range_of
from gpunet_numpy.compiled.first_layer import owned_neurons
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES
from gpunet_numpy.compiled.layout import Layout
from gpunet_numpy.compiled.minibatch.program import MiniBatch
from gpunet_numpy.compiling import chosen

pytestmark = pytest.mark.slow

DTYPES = ("float32", "float64")


def drawn(rows, features, zeros, dtype, offset=0.0, seed=0):
    rng = np.random.default_rng([seed, rows, features])
    X = rng.standard_normal((rows, features)).astype(dtype)
    offsets = np.linspace(0, offset, features).astype(dtype)
    return np.where(rng.random(X.shape) < zeros, offsets, X), offsets


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, -0.6])
@pytest.mark.parametrize("zeros", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("features", [1, 7, 8, 15, 16, 17, 31, 200])
def test_rows_of_csr(features, zeros, offset, dtype, from_python):
    X, offsets = drawn(6, features, zeros, dtype, offset)
    compact = from_python(sparse.compact)
    for x in X:
        indices, values = np.full(features, -1, np.int32), np.full(features, np.nan, dtype)
        count = compact(x, X[0], offsets, indices, values)
        expected = np.flatnonzero(x != offsets)
        assert np.array_equal(indices[:count], expected)
        assert np.array_equal(values[:count], x[expected] - offsets[expected])


def test_not_a_number_is_kept(from_python):
    x, offsets = np.zeros(20, "float32"), np.zeros(20, "float32")
    x[[3, 18]] = np.nan, np.inf
    indices, values = np.zeros(20, np.int32), np.zeros(20, "float32")
    assert from_python(sparse.compact)(x, x, offsets, indices, values) == 2
    assert list(indices[:2]) == [3, 18]
    assert np.isnan(values[0])
    assert values[1] == np.inf


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
def test_csc(rows, dtype, from_python):
    features = 37
    X, offsets = drawn(rows + 5, features, 0.7, dtype, -0.6)
    order = np.random.default_rng(0).permutation(rows + 5).astype(np.int32)
    inputs = data.with_offsets(data.input_buffers(features, rows, dtype, True, 2), offsets)
    inputs = inputs._replace(edges=np.array([0, 20, 37]))
    assert inputs.shifted
    for thread, (start, stop) in enumerate(((0, rows // 2), (rows // 2, rows))):
        from_python(sparse.gather)(inputs, X, order, 3, start, stop, thread)
    factor = np.dtype(dtype).type(-0.5)
    for thread in (0, 1):
        from_python(sparse.build_csc)(inputs, rows, thread, factor, thread)
    found = np.zeros((rows, features), dtype)
    for chunk in range(-(-rows // CSC_EXAMPLES)):
        for i in range(features):
            at, count = i * CSC_EXAMPLES, inputs.csc_counts[chunk, i]
            examples = inputs.csc_indices[chunk, at : at + count]
            assert (np.diff(examples) > 0).all()  # so that sums repeat bit for bit
            found[chunk * CSC_EXAMPLES + examples, i] = inputs.csc_values[chunk, at : at + count]
    assert np.allclose(found, factor * (X[order[3 : 3 + rows]] - offsets), rtol=1e-6)
    assert np.allclose(inputs.scaled_offsets, factor * offsets, rtol=1e-6)


@pytest.mark.parametrize("shuffled", [True, False])
def test_dense_rows(shuffled, from_python):
    X, _ = drawn(30, 9, 0.0, "float32")
    order = np.random.default_rng(0).permutation(30).astype(np.int32) if shuffled else np.empty(0, np.int32)
    inputs = data.input_buffers(9, 12, "float32", False)
    from_python(sparse.gather)(inputs, X, order, 4, 2, 7, 0)
    found = np.empty((5, 9), "float32")

    def copy_rows(inputs, X, order, out):
        rows = sparse.dense_rows(inputs, X, order, 4, 12)
        for r in range(5):
            for i in range(9):
                out[r][i] = rows[r + 2][i]

    from numba import njit

    from gpunet_numpy.compiled.intrinsics import OPTIONS

    from_python(njit(**OPTIONS)(copy_rows))(inputs, X, order, found)
    assert np.array_equal(found, X[order[6:11]] if shuffled else X[6:11])


@pytest.mark.parametrize(
    ("zeros", "offset", "chosen"),
    [(0.8, 0.0, "zeros"), (0.8, -0.6, "offsets"), (0.3, 0.0, None), (0.3, -0.6, None)],
)
def test_which_data_are_sparse(zeros, offset, chosen):
    X, offsets = drawn(1000, 40, zeros, "float32", offset)
    found = data.common_values(data.sample(X.T), data.SPARSE)
    assert (found is None) == (chosen is None)
    if chosen:
        assert np.array_equal(found, offsets)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_common_value_that_is_far_larger_than_other_features_is_none(sign):
    """Differences from it would have its precision, which other features' numbers in the same row do not have."""
    X, offsets = drawn(1000, 40, 0.8, "float32", -0.6)
    X[:, 5:25] = 0  # of features without numbers there is nothing to compare with
    offsets[5:25] = 0
    size = np.abs(data.sample(X.T)).max(axis=0)
    size = np.median(size[size > 0])
    for times, far in ((12, False), (20, True), (1e4, True)):
        X[:, 3] = np.where(X[:, 3] == offsets[3], sign * times * size, X[:, 3])
        offsets[3] = sign * times * size
        found = data.common_values(data.sample(X.T), data.SPARSE)
        assert found[3] == (0 if far else offsets[3])
        assert np.array_equal(np.delete(found, 3), np.delete(offsets, 3))
    X = np.full((1000, 40), 0.5, "float32")
    for few, is_sparse in ((13, True), (15, False)):  # of 40 features, whose numbers are listed
        X[:, :few] = sign * 1e4
        assert (data.common_values(data.sample(X.T), data.SPARSE) is not None) == is_sparse


def test_zeros_in_all_of_the_few_examples_that_are_asked_first():
    """Rows of zeros that come at regular distances: the others are dense."""
    X, _ = drawn(256, 40, 0.0, "float32", 0.0)
    X[:: 256 // data.FEW_EXAMPLES] = 0
    assert data.common_values(data.sample(X.T), data.SPARSE) is None


@pytest.mark.parametrize("batch_size", [64, 16])
def test_missing_cells_with_a_large_number_cost_no_precision(batch_size):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((512, 800)) < 0.1, 1, 0.1)
    known = rng.random(512) < 0.3
    X[:, 0] = np.where(known, rng.normal(size=512), 9999)
    X, y = X.astype("float32"), (known & (X[:, 0] > 0)) * 1.0
    W = rng.normal(size=(32, 800)) * 0.03, np.full((1, 32), 0.1)
    W[0][:, 0] = rng.normal(size=32)

    def trained(mode, dtype):
        layers = [gn.Dense(32, "tanh"), gn.Dense(1, "sigmoid")]
        net = gn.Network(layers, inputs=800, seed=0, backend="numpy", dtype=dtype)
        net.set_parameters([(W[0], np.zeros((32, 1))), (W[1], np.zeros((1, 1)))])
        with chosen(mode):
            settings = {"epochs": 1, "batch_size": batch_size, "shuffle": False}
            history = net.fit(X, y, optimizer=gn.GradientDescent(1e-3), **settings)
        assert history.program.startswith("compiled") == (mode == "wait")
        return net.parameters

    pairs = zip(trained("wait", "float32"), trained("never", "float64"), strict=True)
    for (_, b), (_, expected) in pairs:
        assert np.abs(b - expected).max() < 1e-5 * np.abs(expected).max()


def test_few_neurons_and_many_examples_are_dense_sooner():
    """The first layer's, in training and in prediction."""
    for units, batch, share in ((32, 128, 0.1), (33, 128, 0.35), (32, 127, 0.35)):
        assert data.sparse_below(units, batch) == share
        plan = Plan(
            (Layer(20, units, "tanh"), Layer(units, 1, "identity")), "squared_error", Adam(), 1000, batch
        )
        assert MiniBatch(plan).known.share == share
    X = np.zeros((200, 20), "float32")
    X[:, :4] = 1.0
    assert [data.is_sparse(X, share) for share in (0.1, 0.2, 0.21)] == [False, False, True]


def test_ranges_of_threads_are_all_there_is(from_python):
    for count in (0, 1, 5, 64, 100):
        for threads in (1, 2, 3, 7):
            ranges = [from_python(range_of)(count, t, threads) for t in range(threads)]
            assert ranges[0][0] == 0
            assert ranges[-1][1] == count
            assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))


@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_and_layouts_agree_about_neurons(dtype, from_python):
    for n in (1, 15, 16, 17, 70, 300):
        for threads in (1, 2, 3, 5):
            layout = Layout([4, n, 3], ["tanh", "tanh"], dtype, threads)
            for t, owned in enumerate(layout.neurons):
                found = from_python(owned_neurons)(n, t, threads, np.dtype(dtype).itemsize)
                assert found == (owned.start, owned.stop)
                assert owned.stop - owned.start <= layout.width
