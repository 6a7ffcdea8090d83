"""The mini-batch program on a GPU computes what the reference computes."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.program import TrainState
from gpunet.core.reference import Reference
from gpunet_cupy import products
from gpunet_cupy.batch_kernels import output_group
from gpunet_cupy.programs.minibatch import MiniBatch
from random_plans import (
    DESCENTS,
    NETWORKS,
    OPTIMIZERS,
    OTHERS,
    differences,
    draw,
    map_arrays,
    numbers,
    plan_of,
    with_penalty,
)
from rounded_products import rounding

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network(network, make, check, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", 16)  # larger batches: several chunks
    for batch_size in (1, 40):
        plan = plan_of(network, DESCENTS["plain"], batch_size, weighted=batch_size > 1)
        program = make(MiniBatch, plan)
        check(program, plan)
        check(program, plan, shuffled=False, seed=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule(optimizer, make, check, thread_order):
    plan = plan_of("sigmoid-softmax", OPTIMIZERS[optimizer], 32)
    check(make(MiniBatch, plan), plan)


@pytest.mark.parametrize(
    ("optimizer", "thread_order"),  # each network with both orders
    [(name, ("ascending", "descending")[(i + i // 4) % 2]) for i, name in enumerate(OPTIMIZERS)],
    indirect=["thread_order"],
)
def test_a_penalty(optimizer, make, check, thread_order, monkeypatch):
    """With every rule, longer and shorter gradients than `clip_norm`, in one chunk and in several."""
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", 40)
    turn = list(OPTIMIZERS).index(optimizer)
    network = ("relu-tanh-sigmoid", "linear", "wide", "three-hidden")[turn % 4]
    cases = [("float64", 20, 0.05), ("float32", 75, None), ("float64", 20, 100.0)]
    for dtype, batch_size, clip_norm in (cases[turn % 3], cases[(turn + 1) % 3]):
        rule = replace(OPTIMIZERS[optimizer], clip_norm=clip_norm)
        plan = replace(plan_of(network, rule, batch_size, dtype), penalized=True)
        program = make(MiniBatch, plan)
        check(program, plan)
        check(program, plan, shuffled=False, used=40)


def test_a_penalty_in_steps_from_a_graph(fake, make, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_GRAPH", 3)
    plan = plan_of("sigmoid-softmax", OTHERS["adam"], 10)
    state, inputs = draw(plan)
    plan, inputs = with_penalty(plan, inputs)
    program = make(MiniBatch, plan)
    result = program(*map_arrays(fake.to_device, (state, inputs)))
    assert program.graphs
    assert differences(plan, result, Reference(xp, plan)(state, inputs)) == {}


def test_a_last_layer_that_takes_whole_thread_blocks(make, check):
    plan = plan_of("wider", DESCENTS["plain"], 16, examples=40)
    check(make(MiniBatch, plan), plan)


@pytest.mark.parametrize("rule", ["plain", "adam"])
def test_a_state_that_a_program_returned_is_packed_whole(rule, fake, make):
    plan = plan_of("sigmoid-softmax", OPTIMIZERS[rule], 20)
    program = make(MiniBatch, plan)
    state, inputs = map_arrays(fake.to_device, draw(plan))
    returned, _ = program(state, inputs)
    packed = program.layout.packed
    assert packed(state) is None
    theta, slots = packed(returned)
    assert theta.shape == (program.layout.size,)
    assert (slots is None) if rule == "plain" else (slots.shape == (2, program.layout.size))
    copied = TrainState(*map_arrays(fake.to_device, list(returned)))
    assert packed(copied) is None
    elsewhere = [  # a single array lies elsewhere
        returned._replace(parameters=changed) for changed in each_copied(fake, returned.parameters)
    ]
    if rule == "adam":
        elsewhere += [returned._replace(slots=changed) for changed in each_copied(fake, returned.slots)]
        swapped = [tuple(one[::-1] for one in pair) for pair in returned.slots]  # m and v
        elsewhere.append(returned._replace(slots=swapped))
    for one in [copied, *elsewhere]:
        assert packed(one) is None
    for one in [copied, *elsewhere[:-1]]:
        assert np.array_equal(numbers(program(returned, inputs)), numbers(program(one, inputs)))


def each_copied(fake, nest):
    """The same nest of arrays, with one array after the other copied."""
    if not isinstance(nest, list | tuple):
        yield fake.to_device(nest)
        return
    for i, one in enumerate(nest):
        for changed in each_copied(fake, one):
            yield type(nest)([*nest[:i], changed, *nest[i + 1 :]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_full_batch_needs_no_order(dtype, make, check):
    plan = plan_of("relu-tanh-sigmoid", OTHERS["adam"], 75, dtype)
    program = make(MiniBatch, plan)
    check(program, plan)
    assert program.work.products.inputs[0].size == 0, "examples were gathered though all are summed"
    check(program, plan, used=50)  # a batch of some of the examples needs their order
    assert program.work.products.inputs[0].size > 0


def keys_of(plan, seed=0):
    shape = (plan.steps, len(plan.layers))
    return np.random.default_rng(seed).integers(-(2**31), 2**31, shape, dtype=np.int32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", ["softmax", "wide", "relu-tanh-sigmoid", "three-hidden"])
def test_dropout_in_every_layer(network, dtype, make, check, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", 16)
    for batch_size in (9, 40, 75) if network == "wide" else (40,):
        plan = plan_of(network, OTHERS["adam"], batch_size, dtype)
        layers = tuple(replace(l, dropout=0.2 + 0.1 * i) for i, l in enumerate(plan.layers))
        plan = replace(plan, layers=layers)
        program = make(MiniBatch, plan)
        check(program, plan, dropout_keys=keys_of(plan))
        check(program, plan, shuffled=False, dropout_keys=keys_of(plan, 1))


@pytest.mark.parametrize(
    ("optimizer", "dtype"), [("plain", "float32"), ("nesterov", "float64"), ("adamw", "float32")]
)
def test_clipping(optimizer, dtype, make, check):
    for clip_norm in (0.05, 100.0):
        plan = plan_of("relu-tanh-sigmoid", replace(OPTIMIZERS[optimizer], clip_norm=clip_norm), 20, dtype)
        check(make(MiniBatch, plan), plan)


SIZES = [
    (8, 64),
    (12, 64),
    (32, 64),
    (36, 64),
    (75, 75),
    (75, 24),
    (75, 16),
    (40, 13),
]  # of batches and chunks


@pytest.mark.parametrize(
    ("network", "sizes"),
    [
        ("wide", SIZES),
        ("three-hidden", SIZES[2::3]),
        ("linear", SIZES[3::2]),
        ("saturating-squares", SIZES[-1:]),
    ],
)
def test_float32_parts_in_pieces(network, sizes, make, check, monkeypatch):
    """Batches with several pieces, with and without a rest, in one chunk and in several."""
    for name, value in (("PIECE", 8), ("FULL_WAVE", 3), ("LARGE", 30), ("SEPARATE", 12), ("ALIGNED", 4)):
        monkeypatch.setattr(f"gpunet_cupy.products.{name}", value)
    for batch_size, chunk in sizes:
        monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", chunk)
        plan = plan_of(network, DESCENTS["momentum"], batch_size, "float32", weighted=True)
        program = make(MiniBatch, plan)
        assert program.products.pairs == 6
        check(program, plan)
        check(program, plan, used=50)


@pytest.mark.parametrize("pairs", [products.PAIRS, 1])
@pytest.mark.parametrize("constants", [(1024, 4096, 18, 16384, 64), (8, 8, 3, 20, 4), (8, 8, 3, 9, 3)])
def test_gradient_products_take_every_example_and_pair_once(constants, pairs, monkeypatch):
    for name, value in zip(("PIECE", "LONG_PIECE", "FULL_WAVE", "LARGE", "ALIGNED"), constants, strict=True):
        monkeypatch.setattr(products, name, value)
    piece, large = products.piece_length(pairs), constants[3]
    plan = plan_of("wide", DESCENTS["plain"], 32, "float32")
    for m in (1, piece - 1, piece, piece + 1, 2 * piece, large - 1, large, large + 1, 3 * large, 60_000):
        times = np.zeros((m, pairs), dtype=int)
        slots = np.zeros(products.Bfloat16Products(plan, 1, m, pairs).partials, dtype=int)
        for one in products.gradient_products(m, pairs):
            for i in range(one.batch):
                first = one.first + (0 if one.over_pairs else i * one.examples)
                times[first : first + one.examples, one.pair + (i if one.over_pairs else 0)] += 1
                assert (slots[one.slot + i] > 0) == one.accumulate
                slots[one.slot + i] += 1
        assert (times == 1).all()
        used = products.Bfloat16Products(plan, 1, m, pairs).gradient_partials(m)
        assert (slots[:used] > 0).all() and not slots[used:].any()


def with_rounded_products(plan, given, precision):
    """The reference's result with rounded factors; where the last layer is computed in one pass, its are not."""
    last = plan.layers[-1].units if output_group(plan) is not None else 0
    arrays = rounding(precision, last)
    with np.errstate(all="raise"):
        return Reference(xp, plan)(*map_arrays(lambda a: a.view(arrays), given))


def distance(a, b):
    return np.linalg.norm(numbers(a) - numbers(b))


# Of the distance to the float32 result. An activation whose last bit differs may be rounded to another neighbour, and
# more of them where layers follow each other.
SHARE = {"linear": 0.05, "wide": 0.05, "saturating-squares": 0.05}


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("network", [*SHARE, "three-hidden"])
def test_products_of_lower_precision(network, precision, fake, make, monkeypatch):
    """In one chunk and in several, with gradients in pieces, with and without a rest."""
    for name, value in (("LONG_PIECE", 8), ("FULL_WAVE", 3), ("LARGE", 30), ("ALIGNED", 4)):
        monkeypatch.setattr(products, name, value)
    sizes = [(11, 64), (20, 64), (34, 64), (75, 75), (75, 24)]
    for batch_size, chunk in sizes if network == "wide" else sizes[1::2]:
        monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", chunk)
        plan = plan_of(network, DESCENTS["momentum"], batch_size, "float32", weighted=True)
        plan = replace(plan, precision=precision)
        program = make(MiniBatch, plan)
        assert program.products.pairs == {"tf32": 0, "bfloat16": 1}[precision]
        given = draw(plan)
        result = program(*map_arrays(fake.to_device, given))
        expected = with_rounded_products(plan, given, precision)
        share = SHARE.get(network, 0.5)
        assert distance(result, expected) < share * distance(Reference(xp, plan)(*given), expected)
        assert result[0].parameters[0][0].dtype == "float32"


def test_older_gpus_multiply_float32_as_it_is(fake, make, check, monkeypatch):
    monkeypatch.setattr(fake.Device, "compute_capability", "75")
    plan = plan_of("three-hidden", DESCENTS["plain"], 32, "float32")
    program = make(MiniBatch, plan)
    assert program.products.pairs == 0
    check(program, plan)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_full_batch_and_then_some_of_the_same_examples(dtype, fake, make):
    """What was kept of X as it stands must not be read in the place of the examples of an order."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 75, dtype)
    program, (state, inputs) = make(MiniBatch, plan), draw(plan, shuffled=False)
    on_device = map_arrays(fake.to_device, inputs)
    order = np.arange(74, 24, -1, dtype=np.int32)
    for some in (None, order, None):
        result = program(
            map_arrays(fake.to_device, state),
            on_device._replace(order=None if some is None else fake.to_device(some)),
        )
        assert differences(plan, result, Reference(xp, plan)(state, inputs._replace(order=some))) == {}


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_replayed_from_a_graph(dtype, shuffled, fake, make, monkeypatch):
    """Each with its own order, rates and keys; 6 of 7 full batches in graphs, the others launched one by one."""
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_GRAPH", 3)
    plan = plan_of("relu-tanh-sigmoid", OTHERS["adamw"], 10, dtype)
    plan = replace(plan, layers=(plan.layers[0], *(replace(l, dropout=0.3) for l in plan.layers[1:])))
    program, reference = make(MiniBatch, plan), Reference(xp, plan)
    state, inputs = draw(plan, shuffled)
    on_device = map_arrays(fake.to_device, state)
    X, Y = fake.to_device(inputs.X.T).T, fake.to_device(inputs.Y.T).T
    for epoch in range(3):
        rng = np.random.default_rng(epoch)
        order = rng.permutation(75).astype(np.int32) if shuffled else None
        steps = [plan.optimizer.coefficients(epoch * 8 + i, 100, epoch * 8 + i) for i in range(8)]
        inputs = inputs._replace(
            order=order, coefficients=np.array(steps, dtype=dtype), dropout_keys=keys_of(plan, epoch)
        )
        given = map_arrays(fake.to_device, inputs)._replace(X=X, Y=Y)
        state, expected_losses = reference(state, inputs)
        on_device, losses = program(on_device, given)
        assert differences(plan, (on_device, losses), (state, expected_losses)) == {}
        assert list(program.graphs) == [(2, not shuffled)]
    given = given._replace(
        X=fake.to_device(inputs.X.T[::-1].copy()).T
    )  # other data: the graph would read the old ones
    expected = reference(state, inputs._replace(X=inputs.X[:, ::-1]))
    assert differences(plan, program(on_device, given), expected) == {}


@pytest.mark.parametrize("used", [64, 33])
def test_a_shorter_epoch(used, make, check):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 2)
    check(make(MiniBatch, plan), plan, used=used)


def test_short_of_memory_smaller_chunks_are_tried(fake, make, check, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 4000, examples=4000)
    monkeypatch.setitem(fake.MEMORY, "room", 1500 * 7 * 8)  # A[1] of at most 1,500 examples
    program = make(MiniBatch, plan)
    check(program, plan)
    assert program.chunk == 1000
    monkeypatch.setitem(fake.MEMORY, "room", 8)
    with pytest.raises(MemoryError):
        make(MiniBatch, plan)(*map_arrays(fake.to_device, draw(plan)))
