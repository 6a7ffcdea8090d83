"""Some of the rows of a source or of a block: only what is wanted, or near it, is read."""

import numpy as np
import pytest

from block_rows import M, Recorded, some_rows
from gpunet.inputs.blocks.blocks import SlicedBlocks
from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.sliced import ArraySlices
from small_networks import N
from streams import mapped, small_blocks


@pytest.fixture
def data(rng):
    return some_rows(rng)


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
