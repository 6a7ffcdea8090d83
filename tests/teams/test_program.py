"""The program of a team against the reference, and its bits on any number of ranks."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import gpunet as gn
import random_plans
from gpunet.core.program import unsupported_input
from gpunet.core.reference import Reference
from gpunet.devices.placement import Placement, host_placement
from gpunet.teams import updates
from gpunet.teams.alone import Alone
from gpunet.teams.paths import ThroughHost
from gpunet.teams.program import Lanes, in_lanes
from gpunet.teams.share import Share
from gpunet.teams.total import TreeTotal
from gpunet.teams.updates import SectionUpdate, WholeUpdate
from gpunet.teams.vectors import Layout
from thread_team import on_ranks

# Batches with equal lanes, with unequal ones, and a last one that leaves lanes empty: 75 = 2 · 32 + 11 = 3 · 24 + 3.
CASES = {
    "equal": (("softmax", "plain", 25), {}, 5),
    "unequal": (("relu-tanh-sigmoid", "momentum-decay", 32), {}, 7),
    "empty lanes": (("wide", "adamw", 24), {}, 8),
    "weights": (("deep-absolute", "rmsprop", 32), {"weighted": True}, 3),
    "frozen": (("three-hidden", "adam", 20), {"frozen": (0, 2)}, 4),
    "one lane": (("linear", "nesterov", 75), {}, 1),
}


def case(name):
    (network, optimizer, batch), more, lanes = CASES[name]
    plan = random_plans.plan_of(network, random_plans.OPTIMIZERS[optimizer], batch, **more)
    return plan, *random_plans.draw(plan), lanes


def with_dropout(plan, inputs):
    layers = tuple(
        replace(layer, dropout=rate) for layer, rate in zip(plan.layers, (0.2, 0.0, 0.4), strict=True)
    )
    keys = np.random.default_rng(1).integers(-(2**31), 2**31, (plan.steps, len(layers)), dtype=np.int32)
    return replace(plan, layers=layers), inputs._replace(dropout_keys=keys)


def lanes_of(plan, lanes, placement=None, engine=None):
    return Lanes(replace(plan, lanes=lanes), placement or host_placement(), engine or Alone())


def total_of(engine, lanes, length, placement=None):
    return TreeTotal(engine, lanes, length, ThroughHost(engine, placement or host_placement()))


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_reference_to_rounding(name):
    plan, state, inputs, lanes = case(name)
    expected = Reference(np, plan)(state, inputs)
    assert random_plans.differences(plan, lanes_of(plan, lanes)(state, inputs), expected) == {}


@pytest.mark.parametrize("variant", ["dropout", "penalty", "sparse", "clipped"])
def test_every_kind_of_plan(variant):
    optimizer = gn.Adam(0.01, clip_norm=0.3) if variant == "clipped" else gn.Adam(0.01)
    plan = random_plans.plan_of("relu-tanh-sigmoid", optimizer, 32)
    state, inputs = random_plans.draw(plan)
    change = {
        "dropout": with_dropout,
        "penalty": random_plans.with_penalty,
        "sparse": random_plans.sparse,
    }.get(variant, lambda plan, inputs: (plan, inputs))
    plan, inputs = change(plan, inputs)
    expected = Reference(np, plan)(state, inputs)
    assert random_plans.differences(plan, lanes_of(plan, 7)(state, inputs), expected) == {}

    def run(team):
        return lanes_of(plan, 7, engine=team.engine)(state, inputs)

    alone = lanes_of(plan, 7)(state, inputs)
    for found in on_ranks(3, run):
        np.testing.assert_array_equal(random_plans.numbers(found), random_plans.numbers(alone))


def test_every_library(backend):
    plan, state, inputs, lanes = case("unequal")
    placement = Placement(backend, backend.devices()[0])
    expected = Reference(np, plan)(state, inputs)
    with placement.context():
        moved = [random_plans.map_arrays(placement.to_device, one) for one in (state, inputs)]
        found = random_plans.map_arrays(backend.to_host, lanes_of(plan, lanes, placement)(*moved))
    assert random_plans.differences(plan, found, expected) == {}

    def run(team):
        with placement.context():
            return random_plans.map_arrays(
                backend.to_host, lanes_of(plan, lanes, placement, team.engine)(*moved)
            )

    for shared in on_ranks(2, run):
        np.testing.assert_array_equal(random_plans.numbers(shared), random_plans.numbers(found))


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_same_bits_on_any_number_of_ranks(ranks):
    for name in ("equal", "unequal", "empty lanes", "frozen"):
        plan, state, inputs, lanes = case(name)
        plan, lanes = replace(plan, dtype="float32"), max(lanes, ranks)
        state, inputs = random_plans.draw(plan)
        alone = lanes_of(plan, lanes)(state, inputs)

        def run(team, plan=plan, lanes=lanes, state=state, inputs=inputs):
            return lanes_of(plan, lanes, engine=team.engine)(state, inputs)

        for found in on_ranks(ranks, run):
            assert random_plans.numbers(found).tobytes() == random_plans.numbers(alone).tobytes()
            assert found[1].dtype == "float32"


def test_another_number_of_lanes_is_another_sum():
    """Otherwise the tests of equal bits would say nothing."""
    plan = replace(case("unequal")[0], dtype="float32")
    state, inputs = random_plans.draw(plan)
    two, three = (random_plans.numbers(lanes_of(plan, lanes)(state, inputs)) for lanes in (2, 3))
    assert (two != three).any()
    np.testing.assert_allclose(two, three, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("ranks", "lanes", "length"), [(2, 8, 1), (3, 8, 2), (5, 5, 3), (4, 13, 100)])
def test_vectors_shorter_than_the_ranks_are_many(ranks, lanes, length):
    vectors = np.random.default_rng(0).standard_normal((lanes, length)).astype("float32")

    def lane(node):
        return vectors[node.start].copy() if len(node) == 1 else None

    def run(team):
        total = total_of(team.engine, lanes, length)
        section = total(lane)
        return total.section, section, total.whole(section)

    alone = total_of(Alone(), lanes, length)(lane)
    np.testing.assert_allclose(alone, vectors.sum(axis=0), rtol=1e-5)
    for part, section, whole in on_ranks(ranks, run, lanes):
        assert whole.tobytes() == alone.tobytes()
        assert section.tobytes() == alone[part].tobytes()


@pytest.mark.parametrize(("ranks", "transfers"), [(1, [0]), (2, [1, 1]), (4, [1] * 4), (3, [1, 2, 2])])
def test_a_rank_adds_its_lanes_on_the_device(ranks, transfers):
    """The sums are brought to the host: one, where the rank's lanes are a node of the tree; alone, none."""
    vectors = np.random.default_rng(0).standard_normal((8, 10)).astype("float32")

    def lane(node):
        return vectors[node.start].copy() if len(node) == 1 else None

    def run(team):
        brought = []
        backend = SimpleNamespace(to_host=lambda vector: brought.append(vector) or vector)
        placement = SimpleNamespace(backend=backend, to_device=lambda vector: vector)
        total_of(team.engine, 8, 10, placement)(lane)
        return len(brought)

    assert on_ranks(ranks, run) == transfers


@pytest.mark.parametrize(("ranks", "lanes"), [(1, 4), (2, 8), (3, 8), (5, 5)])
def test_each_lane_is_computed_once(ranks, lanes):
    def run(team):
        computed = []

        def lane(node):
            if len(node) > 1:
                return None
            computed.append(node.start)
            return np.zeros(10)

        total_of(team.engine, lanes, 10)(lane)
        return computed

    computed = on_ranks(ranks, run, lanes)
    assert [one for some in computed for one in some] == list(range(lanes))
    assert max(map(len, computed)) == -(-lanes // ranks)


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("name", ["unequal", "empty lanes", "weights"])
def test_a_rank_looks_at_the_examples_of_its_lanes_alone(name, ranks):
    """Of an order that is drawn, too: all others are NaN on it, and the bits are the same."""
    plan, state, inputs, lanes = case(name)
    plan = replace(plan, lanes=lanes)
    drawn = inputs._replace(order=np.random.default_rng(1).permutation(plan.examples).astype("int32"))
    for given in (inputs, drawn):
        alone = lanes_of(plan, lanes)(state, given)

        def run(team, given=given):
            places = Share(plan, team.engine)(0, plan.examples)
            other = np.flatnonzero(~places) if given.order is None else given.order[~places]
            X, Y = given.X.copy(), given.Y.copy()
            X[:, other] = Y[:, other] = np.nan
            return lanes_of(plan, lanes, engine=team.engine)(state, given._replace(X=X, Y=Y))

        for found in on_ranks(ranks, run, lanes):
            np.testing.assert_array_equal(random_plans.numbers(found), random_plans.numbers(alone))


@dataclass(frozen=True)
class Own(gn.GradientDescent):
    """An optimizer of the user's own, whose update looks at a whole parameter."""

    def update(self, xp, theta, gradient, slots, c):
        return theta - c[0] * gradient / (1 + xp.sum(gradient * gradient)), ()


def test_which_updates_are_shared_out():
    def supports(optimizer, **more):
        plan = random_plans.plan_of("softmax", optimizer, 25)
        return SectionUpdate.supports(replace(plan, **more))

    assert all(supports(optimizer) for optimizer in random_plans.OPTIMIZERS.values())
    assert not supports(gn.Adam(clip_norm=1.0))
    assert not supports(Own())
    assert not supports(gn.Adam(), penalized=True)


@pytest.mark.parametrize("chunk", [1, 7, 2**16])
@pytest.mark.parametrize("name", random_plans.OPTIMIZERS)
def test_shared_updates_have_the_bits_of_whole_ones(monkeypatch, name, chunk):
    monkeypatch.setattr(updates, "CHUNK", chunk)
    plan = random_plans.plan_of(
        "three-hidden", random_plans.OPTIMIZERS[name], 25, "float32", frozen=(1,), examples=50
    )
    plan = replace(plan, lanes=5)
    state, inputs = random_plans.draw(plan)

    def run(team, update):
        program = Lanes(plan, host_placement(), team.engine)
        program.update = update
        return random_plans.numbers(program(state, inputs)).tobytes()

    whole = run(gn.Team("alone"), WholeUpdate)
    assert {run(gn.Team("alone"), SectionUpdate)} == {whole}
    if chunk > 1:
        assert set(on_ranks(3, lambda team: run(team, SectionUpdate), 5)) == {whole}
        assert set(on_ranks(2, lambda team: run(team, WholeUpdate), 5)) == {whole}


def test_a_loss_does_not_keep_the_weights_of_its_step():
    plan, state, _, lanes = case("unequal")
    layout = Layout(plan, host_placement())
    update = SectionUpdate(plan, layout, total_of(Alone(), lanes, layout.length), state)
    gradients = layout.vector(np.asarray(0.5), state.parameters)
    J = update(gradients, np.asarray(plan.optimizer.coefficients(0, 1, 0), plan.dtype))
    assert J == 0.5
    assert not np.shares_memory(J, update.vector)


def test_an_optimizer_of_the_users_own():
    plan = random_plans.plan_of("relu-tanh-sigmoid", Own(0.1), 25)
    state, inputs = random_plans.draw(plan)
    expected = Reference(np, plan)(state, inputs)
    for found in on_ranks(2, lambda team: lanes_of(plan, 4, engine=team.engine)(state, inputs)):
        assert random_plans.differences(plan, found, expected) == {}


def test_what_it_is_given_stays_as_it_is():
    plan, state, inputs, lanes = case("unequal")
    before = random_plans.numbers([state, [one for one in inputs if one is not None]])
    lanes_of(plan, lanes)(state, inputs)
    np.testing.assert_array_equal(
        random_plans.numbers([state, [one for one in inputs if one is not None]]), before
    )


def test_a_batch_needs_an_example_for_each_lane():
    plan = case("equal")[0]
    assert in_lanes(plan, 25).lanes == 25
    assert in_lanes(plan, None) == plan
    with pytest.raises(ValueError, match="a batch of 25 can't be cut into 26 lanes"):
        in_lanes(plan, 26)


def test_other_programs_take_no_lanes():
    plan = replace(case("equal")[0], lanes=8)
    assert unsupported_input(Reference, plan) == "it cuts no batch into lanes"
    assert unsupported_input(Lanes, plan) is None
    assert unsupported_input(Reference, replace(plan, lanes=None)) is None
