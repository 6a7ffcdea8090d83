"""The program for sparse rows computes what the reference computes on the same rows made dense."""

import dataclasses

import array_api_compat.numpy as xp
import numpy as np
import pytest
from scipy.sparse import csr_array

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.reference import Reference
from gpunet.devices.placement import host_placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet_numpy.compiled.layout import Layout, by_kind, by_layer
from gpunet_numpy.compiled.sparse_rows import program as sparse_rows
from gpunet_numpy.compiled.sparse_rows.kernel import owner
from gpunet_numpy.compiled.sparse_rows.program import SparseRows
from random_plans import (
    NETWORKS,
    OPTIMIZERS,
    SELF_GATED,
    differences,
    draw,
    epoch_chunk,
    in_turn,
    numbers,
    plan_of,
    sparse,
    with_penalty,
)

pytestmark = pytest.mark.slow

COMPILED_NETWORKS = [*NETWORKS, *SELF_GATED]
DTYPES = ["float64", "float32"]


@pytest.fixture
def on_threads(monkeypatch):
    """``on_threads(count, CHUNK=…)``: so many threads, however little there is to do for them."""

    def settle(count, **settings):
        monkeypatch.setattr(sparse_rows, "threads", lambda: count)
        for name, value in {"WORK": 1, **settings}.items():
            monkeypatch.setattr(sparse_rows, name, value)

    return settle


def check(plan, shuffled=True, used=None, constant=0.8, seed=0, penalized=False):
    state, inputs = draw(plan, shuffled, used, seed, constant)
    if penalized:
        plan, inputs = with_penalty(plan, inputs)
    given, there = sparse(plan, inputs)
    assert SparseRows.unsupported_reason(given) is None
    before = numbers([*state, there.X.rows.data, there.X.rows.indices, inputs.Y])
    with np.errstate(all="ignore"):
        got, expected = SparseRows(given)(state, there), Reference(xp, plan)(state, inputs)
    assert np.array_equal(numbers([*state, there.X.rows.data, there.X.rows.indices, inputs.Y]), before)
    assert not differences(plan, got, expected)
    new, losses = got
    assert losses.dtype == plan.dtype
    assert all(p.dtype == plan.dtype for pair in new.parameters for p in pair)


@pytest.mark.parametrize(("network", "optimizer", "dtype"), in_turn(COMPILED_NETWORKS, OPTIMIZERS))
def test_any_plan(network, optimizer, dtype, on_threads):
    rng = np.random.default_rng([len(network), len(optimizer), len(dtype)])
    for chunk in (1024, 13):
        on_threads(int(rng.integers(1, 4)), CHUNK=chunk, STRETCH=int(rng.choice([64, 3])))
        for batch_size in (1, 20, 75):
            weighted, shuffled = (bool(rng.integers(2)) for _ in range(2))
            used = batch_size if shuffled and rng.random() < 0.3 else None
            plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, weighted)
            penalized = bool(rng.integers(2))
            check(plan, shuffled, used, float(rng.choice([0.0, 0.8, 0.97])), penalized=penalized)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("features", [1, 16, 17, 200])
def test_any_number_of_threads_and_features(features, count, on_threads):
    on_threads(count, CHUNK=32)
    for batch_size in (1, 7, 64):
        plan = plan_of("wide", OPTIMIZERS["adamw"], batch_size, inputs=features)
        check(plan, constant=0.95)
        check(plan, constant=1.0)  # no entry at all


def test_every_missed_update_is_made_up_for():
    """A feature that no example has between two of its own gets each update in between, with a gradient of 0."""
    rng = np.random.default_rng(5)
    X = np.zeros((60, 40))
    X[np.arange(60), rng.integers(0, 40, 60)] = rng.uniform(0.5, 2, 60)
    never = ~X.any(axis=0)  # these only decay, and lose what momentum they had
    assert never.any()
    for optimizer in OPTIMIZERS.values():
        plan = Plan((Layer(40, 1, "identity"),), "squared_error", optimizer, 60, 1, "float64")
        state, inputs = draw(plan)
        inputs = inputs._replace(X=X.T)
        given, there = sparse(plan, inputs)
        rows, whole = SparseRows(given)(state, there), Reference(xp, plan)(state, inputs)
        assert not differences(plan, rows, whole)
        (got, _), (want, _) = rows, whole
        assert np.allclose(
            got.parameters[0][0][:, never], want.parameters[0][0][:, never], rtol=1e-12, atol=0
        )
        for a, b in zip(got.slots[0][0], want.slots[0][0], strict=True):
            assert np.allclose(a[:, never], b[:, never], rtol=1e-12, atol=0)


def test_an_epoch_in_parts_by_one_object(on_threads):
    on_threads(2)
    for optimizer in ("momentum-decay", "adamw"):
        plan = plan_of("sigmoid-softmax", OPTIMIZERS[optimizer], 5, weighted=True)
        state, inputs = draw(plan, constant=0.8)
        given, there = sparse(plan, inputs)
        made, losses, current = SparseRows(given), [], state
        for first, last in ((0, 6), (6, 15)):
            current, some = made(current, epoch_chunk(given, there, first, last))
            losses.append(some)
        assert not differences(plan, (current, np.concatenate(losses)), Reference(xp, plan)(state, inputs))


def test_an_example_may_come_again(on_threads):
    """In an order that is no permutation, within one batch and in later ones."""
    rng = np.random.default_rng(3)
    for stretch in (64, 5):
        on_threads(2, STRETCH=stretch)
        for optimizer in ("momentum-decay", "adamw"):
            plan = plan_of("wide", OPTIMIZERS[optimizer], 6)
            state, inputs = draw(plan, constant=0.9)
            inputs = inputs._replace(order=rng.integers(0, 20, 75).astype(np.int32))
            given, there = sparse(plan, inputs)
            assert not differences(plan, SparseRows(given)(state, there), Reference(xp, plan)(state, inputs))


def test_a_run_repeats_bit_for_bit(on_threads):
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 8, "float32")
    state, inputs = draw(plan, constant=0.8)
    given, there = sparse(plan, inputs)
    first, second = (numbers(SparseRows(given)(state, there)) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_state_of_its_own_is_taken_without_a_change(on_threads, monkeypatch):
    """W[1] comes back as a view of its panel, transposed, and the next epoch starts from it."""
    on_threads(1)
    plan = plan_of("wide", OPTIMIZERS["momentum"], 20)
    state, inputs = draw(plan, constant=0.8)
    given, there = sparse(plan, inputs)
    made = SparseRows(given)
    first, _ = made(state, there)
    kept = numbers([*first])
    second, _ = made(first, there)
    assert np.array_equal(numbers([*first]), kept)
    copied = TrainState(*by_layer([[(W.copy(), b) for W, b in kind] for kind in by_kind(first)]))
    with monkeypatch.context() as patch:
        patch.setattr(Layout, "pack", lambda *_, **__: pytest.fail("packed again"))
        again, _ = made(first, there)
        with pytest.raises(pytest.fail.Exception):
            made(copied, there)
    for other in (again, made(copied, there)[0]):
        assert np.array_equal(numbers([*other]), numbers([*second]))
    expected = Reference(xp, plan)(Reference(xp, plan)(state, inputs)[0], inputs)[0]
    assert np.allclose(numbers([*second]), numbers([*expected]), rtol=1e-10, atol=1e-12)


def test_epochs_take_the_memory_of_those_that_nobody_needs(on_threads, monkeypatch):
    monkeypatch.setattr("gpunet.devices.reused_memory.LARGE", 1)
    on_threads(2)
    plan = plan_of("wide", OPTIMIZERS["adam"], 30)
    state, inputs = draw(plan, constant=0.8)
    given, there = sparse(plan, inputs)
    program, reference = SparseRows(given), Reference(xp, plan)
    kept, places = [], []
    for epoch in range(7):
        new, expected = program(state, there), reference(state, inputs)
        assert not differences(plan, new, expected)
        state = new[0]
        places.append(state.parameters[0][0].ctypes.data)
        if epoch == 3:  # as early stopping keeps the best
            best, as_it_was = state, numbers(state).copy()
        size = state.parameters[0][0].base.nbytes
        del new, expected
        kept.append(
            [np.empty(size, np.uint8) for _ in range(3)]
        )  # takes what the system's allocator gets back
    assert len(set(places[1:4])) == 2
    assert places[3] not in places[4:]
    assert np.array_equal(numbers(best), as_it_was)


def test_read_only_arrays_and_wide_indices():
    plan = plan_of("wide", OPTIMIZERS["plain"], 20)
    state, inputs = draw(plan, constant=0.8)
    given, there = sparse(plan, inputs)
    rows = there.X.rows
    wide = csr_array((rows.data, rows.indices.astype("int64"), rows.indptr.astype("int64")), rows.shape)
    for array in (wide.data, wide.indices, wide.indptr):
        array.flags.writeable = False
    frozen = there._replace(X=SparseExamples(wide, host_placement()))
    assert not differences(plan, SparseRows(given)(state, frozen), SparseRows(given)(state, there))


def test_features_are_spread_over_the_threads(from_python):
    """The first features, often the most frequent ones, too; and a cache line of their numbers is one thread's."""
    spread = from_python(owner)
    for threads in (1, 2, 3, 8):
        owners = np.array([spread(feature, threads) for feature in range(1600)])
        assert set(owners.tolist()) == set(range(threads))
        assert np.bincount(owners).max() <= 1.6 * 1600 / threads
        assert (owners.reshape(-1, 16) == owners[::16, None]).all()
    assert 0 <= spread(2**31 - 1, 64) < 64


def test_which_plans():
    plan = plan_of("wide", gn.Adam(), 8)
    sparse_plan = dataclasses.replace(plan, sparse=True)
    assert SparseRows.unsupported_reason(plan) == "the examples are not sparse rows"
    assert SparseRows.unsupported_reason(sparse_plan) is None
    clipped = dataclasses.replace(sparse_plan, optimizer=gn.Adam(clip_norm=1.0))
    assert SparseRows.unsupported_reason(clipped) == "clipping needs the whole gradient first"


def test_which_batches_are_worth_which_threads(monkeypatch):
    monkeypatch.setattr(sparse_rows, "threads", lambda: 8)

    def count(optimizer, batch_size, units=100, features=1000, entries=10):
        layers = (Layer(features, units, "tanh"), Layer(units, 1, "identity"))
        plan = Plan(layers, "squared_error", optimizer, 50, batch_size, sparse=True)
        X = csr_array(np.repeat(np.eye(1, features, dtype="float32"), 50, axis=0))
        X = csr_array((np.ones(50 * entries, "float32"), np.tile(np.arange(entries), 50), np.arange(51) * entries),
                      shape=(50, features))  # fmt: skip
        inputs = EpochInputs(SparseExamples(X, host_placement()), np.zeros((1, 50), "float32"), None, None,
                             np.zeros((1, 3), "float32"), None)  # fmt: skip
        program = SparseRows(plan)
        return program._threads(sparse_rows.sparse_data_of(inputs))

    plain = gn.GradientDescent(0.1)
    assert count(plain, 1) == 1
    assert count(plain, 50) == 1  # 55,000 multiplications
    assert count(plain, 50, entries=100) == 5
    assert count(plain, 50, entries=500) == 8
    assert count(gn.Adam(), 1, features=100_000) == 6  # what most weights miss
    assert count(gn.GradientDescent(0.1, weight_decay=0.1), 1, features=100_000) == 6


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_compiled_ahead_for_the_types_that_it_is_called_with(dtype, on_threads):
    """The smallest plan leaves nothing to compile for any other."""
    from gpunet_numpy.compiled.ahead import run_smallest
    from gpunet_numpy.compiled.cache import is_on_disk

    run_smallest(SparseRows, dtype)
    assert is_on_disk(SparseRows.kernel, dtype)
    compiled = len(SparseRows.kernel.code)
    on_threads(2, CHUNK=16)
    check(plan_of("wide", OPTIMIZERS["adamw"], 40, dtype, weighted=True), penalized=True)
    assert len(SparseRows.kernel.code) == compiled


@pytest.mark.parametrize("zero", [0, 1])
def test_one_moment_that_is_0_does_not_hold_the_other(zero):
    """Of a feature that no example has."""
    plan = Plan((Layer(30, 2, "identity"),), "squared_error", gn.Adam(0.01), 9, 3, "float64")
    state, inputs = draw(plan)
    moments = list(state.slots[0][0])
    moments[zero] = 0 * moments[zero]
    state = state._replace(slots=[(tuple(moments), state.slots[0][1])])
    inputs.X[5:, :] = 0
    given, there = sparse(plan, inputs)
    assert not differences(plan, SparseRows(given)(state, there), Reference(xp, plan)(state, inputs))
