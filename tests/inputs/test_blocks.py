"""Sources of blocks: what they read, and what they say about what can't be read."""

import re
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.blocks import fit
from gpunet.inputs.blocks.blocks import SlicedBlocks, held_together
from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows
from gpunet.inputs.blocks.opened import opened
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.sliced import ArraySlices
from small_networks import K, N, close, host, network, same
from streams import mapped, small_blocks, used_order

M = 50


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), rng.integers(0, K, M)


def all_rows(blocks):
    found = list(blocks.all())
    assert [block.first for block in found] == [
        0,
        *np.cumsum([len(block.X) for block in found])[:-1].tolist(),
    ]
    return np.concatenate([block.X for block in found]), np.concatenate([block.y for block in found])


# --- memory-mapped files --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "float32", ">f8", "bool"])
@pytest.mark.parametrize("shape", [(M, 3), (M, 2, 3)])
@pytest.mark.parametrize("part", [slice(None), slice(7, 40), slice(None, None, 2)])
def test_rows_of_a_mapped_file(kind, shape, part, tmp_path, rng):
    X = rng.integers(0, 200, shape).astype(kind)
    rows = MappedRows("X", mapped(tmp_path, "X", X)[part])
    assert rows.shape == X[part].shape
    assert rows.dtype == X.dtype
    for first, last in ((0, 3), (5, 5), (10, len(rows))):
        found = rows.read(first, last)
        assert np.array_equal(found, X[part][first:last])
        assert found.dtype == X.dtype
        assert not isinstance(found, np.memmap)
        assert not np.may_share_memory(found, rows.array)
    assert (rows.position is None) == (part.step == 2)


def test_columns_of_a_mapped_file_and_one_in_fortran_order(tmp_path, rng):
    X = rng.normal(size=(M, 4))
    assert np.array_equal(MappedRows("X", mapped(tmp_path, "X", X)[:, 1:3]).read(3, 9), X[3:9, 1:3])
    assert np.array_equal(MappedRows("X", mapped(tmp_path, "F", np.asfortranarray(X))).read(3, 9), X[3:9])


def test_a_mapping_without_a_header_and_one_that_is_written_to(tmp_path, rng):
    X = rng.normal(size=(5000, 3))
    X.tofile(tmp_path / "X.bin")
    rows = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="r", offset=24 * 1000, shape=(4000, 3))
    assert np.array_equal(MappedRows("X", rows).read(2, 3000), X[1002:4000])
    changed = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="c", shape=(5000, 3))
    changed[4] = 1.0  # in memory alone
    assert np.array_equal(MappedRows("X", changed).read(4, 5), np.ones((1, 3)))
    written = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="r+", shape=(5000, 3))
    written[4] = 2.0
    assert np.array_equal(MappedRows("X", written).read(4, 5), np.full((1, 3), 2.0))


@pytest.mark.parametrize("part", [slice(None), slice(None, None, 2)])
def test_a_file_that_has_become_shorter(part, data, tmp_path):
    """An error, and not the end of the process, which touching the mapping would be."""
    rows = MappedRows("X", mapped(tmp_path, "X", np.zeros((9000, N)))[part])
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(2000 * N * 8)
    m = len(rows)
    for first, last, found in ((m - 9, m, m - 9), (1990, 2000, 1994 if part.step is None else 1990)):
        said = (
            rf"X has become shorter while it is read: it had {m:,} rows, and ends now before row {found:,}\."
        )
        with pytest.raises(ValueError, match=said):
            rows.read(first, last)


def test_a_file_that_shrinks_in_training(data, tmp_path, monkeypatch):
    X, y = data
    small_blocks(monkeypatch, 7, 2, N)
    net, other = (network("numpy", standardizer=gn.Standardizer()) for _ in range(2))
    source = mapped(tmp_path, "X", X)
    other.fit(source, y, epochs=1, batch_size=5)

    def cut(network, history):
        with open(tmp_path / "X.npy", "r+b") as file:
            file.truncate(128 + 20 * N * 4)

    with pytest.raises(ValueError, match=f"X has become shorter while it is read: it had {M} rows"):
        net.fit(source, y, epochs=3, batch_size=5, callbacks=cut)
    assert same(net, other)
    assert net.epochs_trained == 1


# --- several files, h5py, and the like ------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(20,), (1, 20, 49), (0, 25)])
def test_several_files_are_one(cuts, data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    paths = []
    for name, array in (("X", X), ("y", y)):
        parts = np.split(array, cuts)
        paths.append([tmp_path / f"{name}{i}.npy" for i in range(len(parts))])
        for path, part in zip(paths[-1], parts, strict=True):
            np.save(path, part)
    blocks, targets, _ = opened(*paths, None, "float32")
    found = all_rows(blocks.beside(targets, None))
    assert np.array_equal(found[0], X)
    assert np.array_equal(found[1], y)
    edges = blocks.edges.tolist()
    assert set(cuts) < {*edges}
    assert edges == sorted({*edges})
    rows = JoinedRows("X", [ArraySlices("X", part) for part in np.split(X, cuts)])
    assert np.array_equal(rows.read(0, M), X)
    assert np.array_equal(rows.read(3, 31), X[3:31])
    network("numpy").fit(*paths, epochs=1)
    monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", 2**20)
    one, two = network("numpy"), network("numpy")
    one.fit(*paths, epochs=1)
    two.fit(X, y, epochs=1)
    assert same(one, two)


def test_files_of_different_widths(tmp_path):
    for name, n in (("a", 3), ("b", 4)):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, n)))
    with pytest.raises(
        ValueError, match=r"X: all files must have rows of one shape; those of .*a.npy have \(3,\)"
    ):
        network("numpy").fit([tmp_path / "a.npy", tmp_path / "b.npy"], np.zeros(10), epochs=1)


def test_h5py(data, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    X, y = data
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(6, N), compression="gzip")
        file.create_dataset("y", data=y)
        in_memory, by_blocks, array = network("numpy"), network("numpy"), network("numpy")
        in_memory.fit(file["X"], file["y"], epochs=2, batch_size=5, shuffle=False)
        small_blocks(monkeypatch, 14, 2, N)
        assert opened(file["X"], None, None, "float32")[0].edges.tolist() == [0, 12, 24, 36, 48, 50]
        by_blocks.fit(file["X"], file["y"], epochs=2, batch_size=5, shuffle=False)
        predicted = by_blocks.predict(file["X"])
    array.fit(X, y, epochs=2, batch_size=5, shuffle=False)
    assert same(in_memory, array)
    assert same(by_blocks, array)
    np.testing.assert_allclose(predicted, array.predict(X), rtol=1e-5)


def test_what_fits_into_memory_is_an_array(data, tmp_path, monkeypatch):
    """The limit is that of X in the network's dtype."""
    X, y = data
    source = mapped(tmp_path, "X", X.astype("uint8"))
    for dtype, size in (("float32", 4), ("float64", 8)):
        monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", M * N * size)
        assert opened(source, y, None, dtype)[0] is source
        monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", M * N * size - 1)
        assert isinstance(opened(source, y, None, dtype)[0], SlicedBlocks)
    assert opened(X, y, None, "float32")[0] is X  # already there
    assert isinstance(opened(str(tmp_path / "X.npy"), y, None, "float64")[0], SlicedBlocks)


# --- some rows -------------------------------------------------------------------------------------------


class Recorded(ArraySlices):
    """Rows that know which of them have been read."""

    def __init__(self, array):
        super().__init__("X", array)
        self.spans = []

    def read(self, first, last):
        self.spans.append((first, last))
        return super().read(first, last)


@pytest.mark.parametrize(
    ("near", "together", "spans"),
    [
        (0, 1, [(3, 5), (9, 10), (11, 12), (30, 31)]),
        (2 * 32, 1, [(3, 5), (9, 12), (30, 31)]),
        (0, 6, [(3, 12), (30, 31)]),
        (2**16, 1, [(3, 31)]),
    ],
)
def test_of_what_lies_between_rows_only_what_is_near_is_read(near, together, spans, monkeypatch):
    monkeypatch.setattr("gpunet.inputs.blocks.sliced.NEAR", near)
    X = np.arange(M * 8, dtype="float32").reshape(M, 4, 2)  # 32 bytes a row
    rows = Recorded(X)
    rows.together = together
    chosen = np.array([3, 4, 9, 11, 30])
    assert np.array_equal(rows.take(chosen), X[chosen])
    assert rows.spans == spans


@pytest.mark.parametrize("near", [0, 2**16])
@pytest.mark.parametrize("chosen", [[0], [M - 1], [5, 6, 7], [0, 19, 20, 33, 49], list(range(M))])
def test_some_rows_of_every_source(chosen, near, tmp_path, rng, monkeypatch):
    monkeypatch.setattr("gpunet.inputs.blocks.sliced.NEAR", near)
    X, chosen = rng.integers(0, 200, (M, 3)).astype("uint8"), np.array(chosen)
    parts = [ArraySlices("X", X[:20]), MappedRows("X", mapped(tmp_path, "part", X[20:]))]
    whole = ArraySlices("X", np.concatenate([X[:3], X, X]))
    whole.together = 4
    part = PartOfRows(whole, 3, 3 + M)
    assert part.together == 4
    for rows in (
        MappedRows("X", mapped(tmp_path, "X", X)),
        JoinedRows("X", parts),
        ArraySlices("y", X),
        part,
    ):
        assert np.array_equal(rows.take(chosen), X[chosen])


def test_some_rows_of_blocks(data, monkeypatch):
    """A block of which no rows are wanted is not read; each is asked for when its turn comes."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    wanted = {0: np.array([1, 6]), 1: np.array([], dtype=int), 3: None, 7: np.array([0])}
    pieces = IteratedBlocks("X", [(X[:9], y[:9], X[:9, 0]), (X[9:], y[9:], X[9:, 0])])
    list(pieces.all())
    source = Recorded(X)
    sliced = SlicedBlocks(source, ArraySlices("y", y), ArraySlices("w", X[:, 0]))
    for blocks, chosen in ((sliced, [3, 0, 1, 7]), (pieces, range(8))):
        asked = []

        def rows_of(number, asked=asked):
            asked.append(number)
            return wanted.get(number, np.array([], dtype=int))

        found = list(blocks.read(chosen, rows_of))
        assert asked == list(chosen)
        assert [block.first for block in found] == [
            first for first in ([21, 0, 49], [0, 21, 49])[blocks is pieces]
        ]
        for block in found:
            rows = np.arange(7) if block.rows is None else block.rows
            assert np.array_equal(rows, np.arange(7) if block.first == 21 else wanted[block.first // 7])
            assert np.array_equal(block.X, X[block.first + rows])
            assert np.array_equal(block.y, y[block.first + rows])
            assert np.array_equal(block.weights, X[block.first + rows, 0])
    assert [first // 7 for first, _ in source.spans] == [3, 0, 7]


# --- iterables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(), (1, 2, 30), (7, 14, 21), (49,)])
def test_pieces_of_any_lengths_make_blocks_of_one(cuts, data, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    pieces = list(zip(np.split(X, cuts), np.split(y, cuts), strict=True))
    blocks = IteratedBlocks("X", pieces)
    for _ in range(2):
        found = all_rows(blocks)
        assert np.array_equal(found[0], X)
        assert np.array_equal(found[1], y)
        assert [len(block.X) for block in blocks.all()] == [7] * 7 + [1]
    assert blocks.shape == X.shape
    assert blocks.edges.tolist() == [*range(0, M, 7), M]
    assert [block.first for block in blocks.read(range(3, 8))] == [21, 28, 35, 42, 49]
    assert not blocks.weighted


def test_an_iterator_is_refused(data):
    X, y = data
    net = network("numpy", standardizer=gn.Standardizer())
    before = net.parameters
    for epochs in (1, 2):
        with pytest.raises(TypeError, match="X is a generator, which can be read only once"):
            net.fit(((X[i : i + 9], y[i : i + 9]) for i in range(0, M, 9)), epochs=epochs)
    assert all(
        np.array_equal(a, b)
        for p, q in zip(net.parameters, before, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    with pytest.raises(TypeError, match=r"validation X is a generator|validation_data is a generator"):
        net.fit(X, y, validation_data=((X, y) for _ in range(2)))


PIECES = {
    "another width": (
        [("X", "y"), ("wide", "y")],
        ValueError,
        r"X of block 1 has rows of shape \(4,\), those of the",
    ),
    "an empty block": (
        [("X", "y"), ("none", "no y")],
        ValueError,
        "block 1 must hold rows .* which is empty",
    ),
    "fewer targets": ([("X", "y"), ("X", "short")], ValueError, "y of block 1 has 4 rows, its X has 5"),
    "weights later": ([("X", "y"), ("X", "y", "w")], ValueError, "block 1 has 3 parts, the first one has 2"),
    "fewer weights": ([("X", "y", "short")], ValueError, "sample_weight of block 0 has 4 rows, its X has 5"),
    "no pair": ([("X", "y"), "X"], TypeError, "must give blocks .* block 1 is ndarray"),
    "four parts": ([("X", "y", "w", "w")], TypeError, "block 0 is 4 items"),
    "nothing": ([], ValueError, "X is empty: there is no block in it"),
    "NaN": ([("X", "y"), ("nan", "y")], ValueError, "X holds NaN, .* first in row 7"),
    "a class too many": ([("X", "y"), ("X", "high")], ValueError, "y must hold class numbers .*; row 8 is 9"),
    "half a class": ([("X", "y"), ("X", "half")], ValueError, "y must hold class numbers .*; row 6 is 0.5"),
    "NaN in y": ([("X", "y"), ("X", "nan y")], ValueError, "y holds NaN, .* first in row 9"),
    "a negative weight": (
        [("X", "y", "w"), ("X", "y", "minus")],
        ValueError,
        "sample_weight is negative in row 5",
    ),
    "no weight at all": ([("X", "y", "zero")] * 2, ValueError, "every example weight 0"),
    "text": ([("text", "y")], TypeError, "X must hold real numbers, it holds text"),
    "one row": ([("row", "y")], ValueError, "must hold rows of examples"),
}


@pytest.mark.parametrize("case", PIECES)
def test_bad_pieces(case, monkeypatch):
    """Found before anything has changed, and named by their row among all."""
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.NUMBERS", 2 * 3)  # blocks of two rows
    X, y = np.ones((5, 3), "float32"), np.zeros(5)
    known = {
        "X": X,
        "y": y,
        "w": np.ones(5),
        "wide": np.ones((5, 4)),
        "none": X[:0],
        "no y": y[:0],
        "short": y[:4],
        "nan": np.where(np.arange(5)[:, None] == 2, np.nan, X),
        "high": np.array([0, 0, 0, 9, 9]),
        "half": np.array([0, 0.5, 0, 0, 0]),
        "nan y": np.array([0, 0, 0, 0, np.nan]),
        "minus": np.array([-1, 1, 1, 1, 1]),
        "zero": np.zeros(5),
        "text": X.astype(str),
        "row": X[0],
    }
    names, error, said = PIECES[case]
    pieces = [known[name] if isinstance(name, str) else tuple(known[one] for one in name) for name in names]
    net = network("numpy", standardizer=gn.Standardizer())
    before = net.parameters
    with pytest.raises(error, match=said):
        net.fit(lambda: pieces)
    assert not net.standardizer.fitted
    assert net.history is None
    for old, new in zip(before, net.parameters, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(old, new, strict=True))


@pytest.mark.parametrize("change", [-3, 3, 40])
def test_a_source_that_changes_its_length(change, data, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    lengths = iter([30, 30, 30 + change])  # the first pass, two epochs

    def pieces():
        m = next(lengths)
        return [(np.resize(X, (m, N)), np.resize(y, m))]

    net, other = network("numpy"), network("numpy")
    other.fit(lambda: [(X[:30], y[:30])], epochs=1, batch_size=4)
    with pytest.raises(ValueError, match="gave 30 examples at first, and now"):
        net.fit(pieces, epochs=5, batch_size=4)
    assert same(net, other)


# --- beside the blocks ----------------------------------------------------------------------------------


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
            {"batch_size": None},
            "batch_size=None, a full batch, takes 50 examples of 3 features at a time, .* batch_size of 49 at most",
        ),
        ({"batch_size": 50}, "batch_size=50 takes 50 examples"),
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
    """And one that is not is refused before a file is read."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    source = (mapped(tmp_path, "X", X), y) if kind == "file" else (lambda: [(X[:9], y[:9]), (X[9:], y[9:])],)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", M * N * np.dtype(dtype).itemsize)
    one, two = (network("numpy", dtype=dtype) for _ in range(2))
    for net, given in ((one, source), (two, (X, y))):
        net.fit(*given, epochs=2, batch_size=None)
    close(one, two, rtol=1e-5)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", M * N * np.dtype(dtype).itemsize - 1)
    read = []
    survey = fit.survey
    monkeypatch.setattr(fit, "survey", lambda *given, **more: (read.append(1), survey(*given, **more))[1])
    with pytest.raises(ValueError, match="batch_size of 49 at most"):
        one.fit(*source, batch_size=None)
    assert len(read) == (kind == "pieces")


# --- blocks of other sizes ------------------------------------------------------------------------------


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


def test_columns_without_names(data):
    with pytest.raises(NotImplementedError, match="X has columns without names"):
        ArraySlices("X", data[0]).select(["a"])


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


def test_files_that_are_not_there_or_damaged(data, tmp_path):
    (tmp_path / "X.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'X.npy'}: cannot be read as an array")):
        network("numpy").fit(tmp_path / "X.npy", data[1])
    with pytest.raises(FileNotFoundError):
        network("numpy").fit(str(tmp_path / "none.npy"), data[1])


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


def test_images_in_a_file(data, tmp_path, monkeypatch, rng):
    small_blocks(monkeypatch, 7, 2, 4)
    X = rng.normal(size=(M, 2, 2)).astype("float32")
    shapes = []

    def look(X, rng):
        shapes.append(X.shape)
        return X

    one, two = (network("numpy", inputs=4) for _ in range(2))
    one.fit(mapped(tmp_path, "X", X), data[1], epochs=1, batch_size=10, shuffle=False, transform=look)
    two.fit(X.reshape(M, 4), data[1], epochs=1, batch_size=10, shuffle=False)
    assert same(one, two)
    assert shapes == [(10, 2, 2)] * 5


def test_the_default_optimizer_suits_large_inputs(tmp_path, monkeypatch, rng):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = rng.integers(100, 255, (M, N)).astype("uint8"), rng.integers(0, K, M)
    one, two = (network("numpy") for _ in range(2))
    for net, source in ((one, mapped(tmp_path, "X", X)), (two, X)):
        with pytest.warns(gn.UnscaledInputs):
            net.fit(source, y, epochs=1, shuffle=False)
    assert same(one, two)


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ("flowers.csv", "species", r"X is the str 'flowers\.csv', neither an array"),
        (Path("flowers.csv"), [0, 1], r"X is the \w*Path 'flowers\.csv', neither an array"),
        (np.eye(2, 3), "species", r"y is the str 'species', neither .* gpunet\.datasets\.read_table"),
    ],
)
def test_texts_that_are_no_files_of_arrays(call, X, y, said):
    net = network("numpy")
    before = host(net)
    with pytest.raises(TypeError, match=said):
        getattr(net, call)(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(host(net), before, strict=True))


def test_predictions_of_a_text():
    with pytest.raises(TypeError, match=r"X is the str 'flowers\.csv', neither an array"):
        network("numpy").predict("flowers.csv")
