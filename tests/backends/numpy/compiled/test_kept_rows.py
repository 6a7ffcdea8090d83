"""Rows of CSR that are kept from epoch to epoch: the same results, from less memory."""

import gc
import itertools
import weakref

import numpy as np
import pytest

from gpunet_numpy.compiled import data, kept_rows, sparse
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.kept_rows import KnownInputs, edges_of, with_kept_rows
from gpunet_numpy.compiled.minibatch import program as minibatch
from random_plans import OPTIMIZERS, draw, numbers, plan_of

pytestmark = pytest.mark.slow

SPARSE, STANDARDISED = {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}
LEFT = (kept_rows.EPOCHS, kept_rows.EPOCHS - 1, 1)  # epochs, from call to call
# How threads share a batch out: by neurons, by examples, or by examples to the end; with CSC, and without.
SHARES = {
    "neurons": {"EXAMPLES_PER_NEURON": 10**9},
    "neurons, CSC": {"EXAMPLES_PER_NEURON": 10**9, "WIDEST": 0},
    "examples": {"NEURONS": 1000},
    "examples, CSC": {"NEURONS": 1000, "WIDEST": 0},
    "to the end": {"NEURONS": 1000, "SPARSE_CHUNK": 8},
}


def epochs_of(program, state, inputs, left):
    """All numbers after three epochs in different orders; the program is told how many are left."""
    found = []
    for epoch in range(3):
        order = np.random.default_rng(epoch).permutation(inputs.X.shape[1]).astype(np.int32)
        state, losses = program(state, inputs._replace(order=order, epochs=left[epoch]))
        found.append(losses)
    return np.concatenate([*found, numbers([*state])])


ROOMS = {"all": 10**6, "some": 150, "none": 0}  # entries that are kept at most
CASES = [
    (share, optimizer, list(ROOMS)[(i + k) % 3])
    for i, share in enumerate(SHARES)
    for k, optimizer in enumerate(("adamw", "momentum"))
]


@pytest.mark.parametrize(("share", "optimizer", "room"), CASES)
def test_the_same_epochs(share, optimizer, room, on_threads, monkeypatch):
    """To the bit, whether there is room for all rows, or for some; and the kept ones are in fact what is read."""
    dtype = "float32" if room == "some" else "float64"
    for count, given in ((1, SPARSE), (2, STANDARDISED), (3, SPARSE)):
        on_threads(count, **SHARES[share])
        monkeypatch.setattr(kept_rows, "ENTRIES", ROOMS[room])
        plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], 20, dtype, True, inputs=30)
        state, inputs = draw(plan, **given)
        made = minibatch.MiniBatch(plan)
        found = epochs_of(made, state, inputs, LEFT)
        assert np.array_equal(found, epochs_of(minibatch.MiniBatch(plan), state, inputs, (1, 1, 1)))
        starts = made.known.inputs.kept_starts
        kept = np.count_nonzero(starts >= 0)
        assert len(starts) == plan.examples
        if room == "all":
            assert kept == plan.examples
            assert len(set(starts.tolist())) == plan.examples
        elif room == "some":
            assert 0 < kept < plan.examples
        # What an epoch reads then: other numbers there give other results.
        made.known.inputs.csr_values[:] = 2
        again = epochs_of(made, state, inputs, (1, 1, 1))
        assert np.array_equal(again, found) == (kept == 0)


@pytest.mark.parametrize(("descent", "batch_size"), [("plain", 1), ("momentum-decay", 3)])
@pytest.mark.parametrize("given", [SPARSE, STANDARDISED])
def test_the_same_epochs_in_blocks(descent, batch_size, given, on_threads):
    for count in (1, 3):
        on_threads(count)
        plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[descent], batch_size, "float32", inputs=30)
        state, inputs = draw(plan, **given)
        made = blocked.Blocked(plan)
        found = epochs_of(made, state, inputs, LEFT)
        assert np.array_equal(found, epochs_of(blocked.Blocked(plan), state, inputs, (1, 1, 1)))
        assert (made.known.inputs.kept_starts >= 0).all()


def rows_of(inputs, count, features):
    """Rows of CSR as a dense array."""
    found = np.zeros((count, features), inputs.csr_values.dtype)
    for r in range(count):
        entries = slice(inputs.csr_starts[r], inputs.csr_starts[r] + inputs.csr_counts[r])
        found[r, inputs.csr_indices[entries]] = inputs.csr_values[entries]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gathered_rows(dtype, from_python):
    """Two threads, each in a part of its own; a row that is kept is not looked for again."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((40, 70)) < 0.8, 0.5, rng.standard_normal((40, 70))).astype(dtype)
    offsets, order = np.full(70, 0.5, dtype), rng.permutation(40).astype(np.int32)
    inputs = data.with_offsets(data.input_buffers(70, 40, dtype, True, 2), offsets)
    inputs = with_kept_rows(inputs._replace(edges=np.array([0, 23, 70])), 40, np.mean(X != 0.5), 2)
    begin, ends = 40 * 70, inputs.kept_ends.copy()
    assert ends[0, 0] == begin and ends[0, 1] == ends[1, 0] and ends[1, 1] == inputs.csr_values.size
    gather = from_python(sparse.gather)
    for thread, (r0, r1) in enumerate(((0, 17), (17, 40))):
        gather(inputs, X, order, 0, r0, r1, thread)
    for thread, (r0, r1) in enumerate(((0, 17), (17, 40))):
        used = inputs.kept_ends[thread, 0]
        assert used - ends[thread, 0] == inputs.csr_counts[r0:r1].sum() < ends[thread, 1] - ends[thread, 0]
        assert (inputs.csr_starts[r0:r1] >= ends[thread, 0]).all() and (inputs.csr_starts[r0:r1] < used).all()
    assert np.array_equal(rows_of(inputs, 40, 70), X[order] - offsets)
    assert np.array_equal(inputs.csr_parts, [[0, np.count_nonzero(x[:23] != 0.5)] for x in X[order]])
    used, again = inputs.kept_ends.copy(), rng.permutation(40).astype(np.int32)
    gather(inputs, np.full_like(X, np.nan), again, 0, 0, 40, 0)
    assert np.array_equal(inputs.kept_ends, used)
    assert np.array_equal(rows_of(inputs, 40, 70), X[again] - offsets)
    assert np.array_equal(inputs.csr_parts, [[0, np.count_nonzero(x[:23] != 0.5)] for x in X[again]])


def test_how_much_is_kept(monkeypatch):
    inputs = data.with_offsets(data.input_buffers(100, 8, "float32", True, 3), np.zeros(100, "float32"))

    def room(density=0.2):
        made = with_kept_rows(inputs, 1000, density, 3)
        parts = np.diff(made.kept_ends[:, :2], axis=1)
        assert made.csr_values.size == made.csr_indices.size == 8 * 100 + parts.sum()
        assert (parts == parts[0]).all()
        return int(parts[0, 0])

    assert room() == 1.1 * 20_000 // 3 + 100
    assert room(0.4) == 25_000 // 3 + 100  # half of X's memory
    monkeypatch.setattr(kept_rows, "ENTRIES", 9000)
    assert room() == 3100
    assert room(0.0) == 100


def test_what_is_known_of_an_x(monkeypatch):
    """Looked at once; kept for several epochs only; not kept alive."""
    made, looks = [], []
    monkeypatch.setattr(
        kept_rows, "common_values", lambda rows, share: looks.append(rows) or np.zeros(30, "float32")
    )

    def buffers(is_sparse):
        made.append(is_sparse)
        return data.input_buffers(30, 8, "float32", is_sparse, 2)

    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["plain"], 8, "float32", inputs=30)
    _, one = draw(plan, **SPARSE)
    _, other = draw(plan, seed=1, **SPARSE)
    known = KnownInputs(2, 8, 0.5)
    first = known.of(one._replace(epochs=kept_rows.EPOCHS), buffers)
    assert first.kept_starts.shape == (plan.examples,) and first.edges.shape == (3,)
    assert known.of(one, buffers) is first
    second = known.of(other._replace(epochs=kept_rows.EPOCHS - 1), buffers)
    assert second.kept_starts.size == 0 and len(looks) == 2
    assert known.of(other._replace(epochs=99), buffers) is second
    third = known.of(one._replace(epochs=99), buffers)
    assert third is not first and (third.kept_starts == -1).all()
    monkeypatch.setattr(kept_rows, "common_values", lambda rows, share: None)
    dense = known.of(other._replace(epochs=99), buffers)
    assert not dense.sparse and made == [True, True, True, False]
    alive = weakref.ref(other.X)
    del other
    gc.collect()
    assert alive() is None


def test_a_run_tells_its_program_how_many_epochs_are_left(monkeypatch):
    """And rows are kept in a run of so many."""
    import gpunet as gn

    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    monkeypatch.setattr(
        "gpunet_numpy.select.program_for", lambda plan: (minibatch.MiniBatch(plan), "for a test")
    )
    rooms = []
    monkeypatch.setattr(kept_rows, "with_kept_rows", lambda inputs, *_: rooms.append(1) or inputs)
    X = np.zeros((40, 30), "float32")
    X[:, ::5] = np.random.default_rng(0).standard_normal((40, 6))
    for epochs in (1, kept_rows.EPOCHS - 1, kept_rows.EPOCHS, kept_rows.EPOCHS + 3):
        net = gn.Network([gn.Dense(1, "identity")], backend="numpy", seed=0)
        net.fit(X, X[:, 0], epochs=epochs, batch_size=8)
    assert len(rooms) == 2


@pytest.mark.parametrize("optimizer", ["adam", "gradient_descent"])
def test_an_x_that_changes_between_two_runs(optimizer, monkeypatch):
    """What the first run has kept is not what the second one reads, though both are given one array."""
    import gpunet as gn

    monkeypatch.setattr(
        "gpunet_numpy.select.program_for", lambda plan: (minibatch.MiniBatch(plan), "for a test")
    )
    rng, found = np.random.default_rng(0), []
    given = np.where(rng.random((60, 30)) < 0.8, 0, rng.standard_normal((60, 30))).astype("float32")
    for copies in (False, True):
        X, net = (
            given.copy(),
            gn.Network([gn.Dense(4, "tanh"), gn.Dense(1, "identity")], seed=0, backend="numpy"),
        )
        for _ in range(2):
            net.fit(X, given[:, 0], optimizer=optimizer, epochs=kept_rows.EPOCHS, batch_size=20)
            X = X.copy() if copies else X
            X[:] = np.roll(X, 7, axis=1)
        found.append(numbers([net.parameters]))
    assert np.array_equal(*found)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_edges(parts):
    rng = np.random.default_rng(parts)
    for costs in (
        np.ones(50),
        rng.random(200) ** 4 + 1e-3,
        np.r_[np.ones(100), np.full(100, 3.0)],
        np.ones(parts),
    ):
        edges = edges_of(costs, parts)
        assert edges.dtype == np.int64 and len(edges) == parts + 1
        assert edges[0] == 0 and edges[-1] == len(costs) and (np.diff(edges) >= 0).all()
        shares = [costs[a:b].sum() for a, b in itertools.pairwise(edges)]
        assert max(shares) <= costs.sum() / parts + 2 * costs.max()


@pytest.mark.parametrize(("room", "kept"), [(70, True), (69, False)])
def test_a_row_is_kept_where_all_of_its_features_would_fit(room, kept, from_python):
    """Whole vectors are written, so it does not matter how many of them it has."""
    X, offsets = np.zeros((2, 70), "float32"), np.zeros(70, "float32")
    X[1, 3] = 1
    inputs = data.with_offsets(data.input_buffers(70, 2, "float32", True, 1), offsets)
    inputs = with_kept_rows(inputs._replace(edges=np.array([0, 70])), 2, 0.5, 1)
    inputs.kept_ends[0, 1] = inputs.kept_ends[0, 0] + room
    from_python(sparse.gather)(inputs, X, np.array([1, 0], np.int32), 0, 0, 1, 0)
    assert (inputs.kept_starts[1] >= 0) == kept
    assert inputs.csr_starts[0] == (2 * 70 if kept else 0)
    assert rows_of(inputs, 1, 70)[0, 3] == 1
