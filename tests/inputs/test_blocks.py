"""Data in blocks beside targets, weights and options of `fit`, and blocks of other sizes."""

import numpy as np
import pytest

import gpunet as gn
from block_rows import M, some_rows
from gpunet.inputs.blocks import fit
from gpunet.inputs.blocks.blocks import SlicedBlocks, held_together
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.sliced import ArraySlices
from small_networks import K, N, close, network, same
from streams import mapped, small_blocks, used_order


@pytest.fixture
def data(rng):
    return some_rows(rng)


def test_lengths_that_differ(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    net = network("numpy")
    with pytest.raises(ValueError, match="y has 49 targets for 50 examples"):
        net.fit(X, y[1:])
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(50,\).* got \(49,\)"):
        net.fit(X, y, sample_weight=np.ones(49))
    with pytest.raises(ValueError, match="validation y has 49 targets for 50"):
        net.fit(X, y, validation_data=(X, y[1:]))
    with pytest.raises(ValueError, match="y has 49 targets for 50"):
        net.evaluate(X, y[1:])


def test_rows_at_fault_are_named(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    net = network("numpy", standardizer=gn.Standardizer())
    bad = X.copy()
    bad[33, 1] = np.inf
    source = mapped(tmp_path, "bad", bad)
    with pytest.raises(ValueError, match=r"^X holds NaN, infinity .* first in row 33"):
        net.fit(source, y)
    with pytest.raises(ValueError, match=r"^validation X holds NaN, infinity .* first in row 33"):
        net.fit(X, y, validation_data=(source, y))
    with pytest.raises(ValueError, match=r"^validation X holds NaN, infinity .* first in row 33"):
        net.fit(mapped(tmp_path, "X", X), y, validation_data=(bad, y))
    assert not net.standardizer.fitted
    for use in (net.predict, lambda X: net.evaluate(X, y)):
        with pytest.raises(ValueError, match=r"X holds NaN, infinity .* first in row 33"):
            use(source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"validation_fraction": 0.2}, "validation_fraction needs all rows in memory"),
        (
            {"batch_size": None, "transform": lambda X, rng: X},
            "transform changes a whole batch, and batch_size=None, a full batch, takes 50 examples of 3 features, .* "
            "batch_size of 49 at most",
        ),
        ({"batch_size": 50, "transform": lambda X, rng: X}, "batch_size=50 takes 50 examples"),
        ({"batch_size": 51}, "batch_size is 51, but there are only 50"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"class_weight": [1.0]}, "list of 4 weights"),
        ({"class_weight": {k: 0.0 for k in range(K)}}, "every example weight 0"),
    ],
)
def test_options_that_do_not_suit(options, said, data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", 49 * N * 4)
    net = network("numpy")
    with pytest.raises(ValueError, match=said):
        net.fit(mapped(tmp_path, "X", data[0]), data[1], **options)
    assert net.history is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["file", "pieces"])
def test_a_full_batch_that_is_small_enough(kind, dtype, data, tmp_path, monkeypatch):
    """One that is not is computed in parts, and refused where a transform needs all of it, before a file is read."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    source = (mapped(tmp_path, "X", X), y) if kind == "file" else (lambda: [(X[:9], y[:9]), (X[9:], y[9:])],)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", M * N * np.dtype(dtype).itemsize)
    one, two = (network("numpy", dtype=dtype) for _ in range(2))
    for net, given in ((one, source), (two, (X, y))):
        assert net.fit(*given, epochs=2, batch_size=None).program != "accumulation"
    close(one, two, rtol=1e-5)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", M * N * np.dtype(dtype).itemsize - 1)
    read = []
    survey = fit.survey
    monkeypatch.setattr(fit, "survey", lambda *given, **more: (read.append(1), survey(*given, **more))[1])
    with pytest.raises(ValueError, match="batch_size of 49 at most"):
        one.fit(*source, batch_size=None, transform=lambda X, rng: X)
    assert len(read) == (kind == "pieces")
    for net, given in ((one, source), (two, (X, y))):
        net.fit(*given, epochs=2, batch_size=None)
    assert one.history.program == "accumulation"
    close(one, two, rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "most", "held"),
    [
        ([10, 10, 3], 4, 4),
        ([1, 1], 4, 4),
        ([10, 20, 3], 4, 2),
        ([10, 21], 4, 1),
        ([10, 41], 4, 1),
        ([500], 4, 1),
        ([], 4, 4),
    ],
)
def test_fewer_blocks_are_held_where_they_are_large(sizes, most, held, monkeypatch):
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.NUMBERS", 60)
    edges = np.cumsum([0, *sizes])
    assert held_together(edges, (int(edges[-1]), 2, 3), most) == held


def test_a_run_on_large_blocks(tmp_path, monkeypatch):
    """Chunks of h5py make them larger than what is asked for; groups have two of them in the place of four."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(M, N)).astype("float32"), rng.integers(0, K, M)
    small_blocks(monkeypatch, 5, 4, N)
    one, two = (network("numpy", seed=3) for _ in range(2))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        one.fit(file.create_dataset("X", data=X, chunks=(10, N)), y, epochs=1, batch_size=8)
    order = used_order(M, 10, 2, 3, 0)
    two.fit(X[order], y[order], epochs=1, batch_size=8, shuffle=False)
    assert same(one, two)


@pytest.mark.parametrize(("first", "last"), [(0, M), (0, 20), (20, M), (14, 35), (33, 34)])
def test_a_part_of_a_source(first, last, data):
    X, _ = data
    rows = ArraySlices("X", X)
    part = PartOfRows(rows, first, last)
    assert (part.name, part.shape, part.ndim, part.dtype) == ("X", (last - first, N), 2, X.dtype)
    assert len(part) == last - first
    edges = part.edges(7)
    inside = [edge - first for edge in range(0, M, 7) if first < edge < last]
    assert edges.tolist() == [0, *inside, last - first]
    found = [block.X for block in SlicedBlocks(part).read(range(len(part.edges(M)) - 1))]
    assert np.array_equal(np.concatenate(found), X[first:last])
    assert np.array_equal(part.read(0, 1), X[first : first + 1])
    assert np.array_equal(part.read(len(part) - 1, len(part)), X[last - 1 : last])


def test_targets_that_are_missing(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    words = np.array(["a", "b", "c", "d"], dtype=object)[data[1]]
    words[20] = None
    with pytest.raises(ValueError, match="the target of row 20 is missing"):
        network("numpy").fit(mapped(tmp_path, "X", data[0]), words)


def test_targets_given_twice(data):
    X, y = data
    net = network("numpy")
    with pytest.raises(ValueError, match="X gives blocks with their targets, and y is given too"):
        net.fit(lambda: [(X, y)], y)
    with pytest.raises(ValueError, match="and sample_weight is given too"):
        net.fit(lambda: [(X, y)], sample_weight=np.ones(M))


def test_targets_that_are_left_out(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    with pytest.raises(TypeError, match="y is missing"):
        network("numpy").fit(mapped(tmp_path, "X", data[0]))


def test_a_table_needs_no_blocks(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    net = gn.Network([gn.Dense(K, "softmax")], backend="numpy", encoder=gn.TableEncoder())
    with pytest.raises(TypeError, match="X must be a Table"):
        net.fit(mapped(tmp_path, "X", data[0]), data[1])


def test_width_of_a_network_that_is_trained(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    net = network("numpy", inputs=5)
    with pytest.raises(ValueError, match=r"X has 3 features per example .* the network takes 5"):
        net.fit(mapped(tmp_path, "X", data[0]), data[1])


def test_the_default_optimizer_suits_large_inputs(tmp_path, monkeypatch, rng):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = rng.integers(100, 255, (M, N)).astype("uint8"), rng.integers(0, K, M)
    one, two = (network("numpy") for _ in range(2))
    for net, source in ((one, mapped(tmp_path, "X", X)), (two, X)):
        with pytest.warns(gn.UnscaledInputs):
            net.fit(source, y, epochs=1, shuffle=False)
    assert same(one, two)
