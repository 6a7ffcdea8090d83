"""Update rules on every backend: published trajectories, decay, clipping, settings (C19, C20, C21)."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
import gpunet as gn
from gpunet.core.optimizers import OPTIMIZERS, clip, update_all

ROOM = checks.room_of("gpunet")
TRAJECTORIES = checks.optimizer_trajectories(ROOM)
RULES = [
    gn.GradientDescent(0.1),
    gn.GradientDescent(0.1, momentum=0.9),
    gn.GradientDescent(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    gn.RMSprop(0.1, weight_decay=0.1),
    gn.Adam(0.1),
    gn.AdamW(0.1),
]


@pytest.mark.parametrize(("optimizer", "true"), TRAJECTORIES, ids=[str(o) for o, _ in TRAJECTORIES])
def test_ten_steps_as_published(backend, optimizer, true):
    xp = backend.namespace()

    def to_device(values):
        return backend.from_host(np.asarray(values, dtype="float64"), backend.devices()[0])

    theta, slots = to_device([[0.7]]), (to_device([[0.0]]),) * optimizer.slots
    for t, g in enumerate(checks.GRADIENTS):
        c = to_device(optimizer.coefficients(t, 10, t))
        theta, slots = optimizer.update(xp, theta, to_device([[g]]), slots, c)
        assert len(slots) == optimizer.slots
        assert float(theta[0, 0]) == pytest.approx(true[t], rel=1e-12)


@pytest.mark.parametrize("optimizer", RULES, ids=str)
def test_dtype_is_kept_and_nothing_changed_in_place(backend, optimizer):
    xp, device = backend.namespace(), backend.devices()[0]
    rng = np.random.default_rng(0)
    host = [rng.standard_normal(shape).astype("float32") for shape in ((2, 3), (2, 1), (2, 3), (2, 1))]
    W, b, dW, db = sent = [backend.from_host(a.copy(), device) for a in host]
    state = [tuple(tuple(xp.zeros_like(p) for _ in range(optimizer.slots)) for p in (W, b))]
    c = backend.from_host(np.array(optimizer.coefficients(0, 1, 0), dtype="float32"), device)
    [pair], [slots] = update_all(xp, optimizer, [(W, b)], [(dW, db)], state, c)
    for new in (*pair, *slots[0], *slots[1]):
        assert backend.to_host(new).dtype == np.float32
    for before, after in zip(host, sent, strict=True):
        assert_allclose(backend.to_host(after), before, rtol=0)
    for slot in (*state[0][0], *state[0][1]):
        assert not backend.to_host(slot).any()
    # The step changed something.
    assert np.abs(backend.to_host(pair[0]) - host[0]).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("longest", [0.5, 1e9])
def test_clipping_by_norm(backend, dtype, longest):
    rng = np.random.default_rng(1)
    host = [
        (rng.standard_normal((3, 2)).astype(dtype), rng.standard_normal((3, 1)).astype(dtype))
        for _ in range(3)
    ]
    gradients = [tuple(backend.from_host(g, backend.devices()[0]) for g in pair) for pair in host]
    norm = np.sqrt(sum((g.astype(float) ** 2).sum() for pair in host for g in pair))
    factor = min(1.0, longest / norm)
    for pair, clipped in zip(host, clip(backend.namespace(), gradients, longest), strict=True):
        for g, short in zip(pair, clipped, strict=True):
            assert backend.to_host(short).dtype == dtype
            assert_allclose(backend.to_host(short), factor * g, rtol=1e-6 if dtype == "float32" else 1e-13)


def test_clipping_a_gradient_of_zero_is_no_division_by_zero(backend):
    zero = backend.from_host(np.zeros((2, 2)), backend.devices()[0])
    [(dW, db)] = clip(backend.namespace(), [(zero, zero)], 1.0)
    assert not backend.to_host(dW).any()
    assert not backend.to_host(db).any()


@pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")
def test_clipping_in_training_bounds_the_first_step(rng):
    X, y = 100 * rng.standard_normal((20, 3)), 100 * rng.standard_normal(20)
    net = gn.Network([gn.Dense(1)], inputs=3, seed=0, backend="numpy", dtype="float64")
    before = np.concatenate([p.ravel() for p in net.parameters[0]])
    net.fit(X, y, optimizer=gn.GradientDescent(0.1, clip_norm=2.0), epochs=1, batch_size=None)
    after = np.concatenate([p.ravel() for p in net.parameters[0]])
    assert np.linalg.norm(after - before) == pytest.approx(0.1 * 2.0, rel=1e-12)


def test_decay_shrinks_weights_and_leaves_biases():
    """With gradients of zero, only the decay is left (C21)."""
    for name, kind in OPTIMIZERS.items():
        optimizer = kind(learning_rate=0.1, weight_decay=0.5)
        W, b, zero = np.full((2, 2), 3.0), np.full((2, 1), 3.0), np.zeros((2, 2))
        state = [((zero,) * optimizer.slots, (zero[:, :1],) * optimizer.slots)]
        c = np.array(optimizer.coefficients(0, 1, 0))
        [(W, b)], _ = update_all(np, optimizer, [(W, b)], [(zero, zero[:, :1])], state, c)
        assert_allclose(W, 3.0 * (1 - 0.1 * 0.5), rtol=1e-14, err_msg=name)
        assert_allclose(b, 3.0, rtol=0, err_msg=name)


def test_decay_follows_the_schedule():
    optimizer = gn.GradientDescent(gn.Exponential(0.2, factor=0.5, every=1), weight_decay=1.0)
    W, zero = np.ones((1, 1)), np.zeros((1, 1))
    for t, rate in enumerate((0.2, 0.1)):
        c = np.array(optimizer.coefficients(t, 2, t))
        [(shrunk, _)], _ = update_all(np, optimizer, [(W, W)], [(zero, zero)], [((), ())], c)
        assert_allclose(shrunk, 1 - rate)


def test_adamw_is_adam_with_decay_on():
    assert gn.AdamW().weight_decay == 0.01
    assert gn.Adam().weight_decay == 0.0
    assert gn.AdamW(1e-3, weight_decay=0.0).coefficients(3, 9, 5) == gn.Adam(1e-3).coefficients(3, 9, 5)


def test_adams_first_step_is_the_learning_rate():
    """Bias correction makes ``v̂/√ŝ`` of the first step ±1, however small the gradient."""
    adam = gn.Adam(0.01)
    for g in (1e-3, -50.0):
        theta, _ = adam.update(
            np, np.zeros(1), np.array([g]), (np.zeros(1),) * 2, np.array(adam.coefficients(0, 1, 0))
        )
        assert_allclose(theta, -0.01 * np.sign(g), rtol=1e-4)


@pytest.mark.parametrize("optimizer", RULES, ids=str)
def test_rules_are_values(optimizer):
    """Compared, hashed and frozen: a plan holds them, and programs are compiled for plans."""
    assert optimizer == eval(repr(optimizer), vars(gn))
    assert hash(optimizer) == hash(eval(repr(optimizer), vars(gn)))
    with pytest.raises(AttributeError):
        optimizer.learning_rate = 1.0


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (gn.GradientDescent, {"learning_rate": 0.0}),
        (gn.GradientDescent, {"learning_rate": -0.1}),
        (gn.GradientDescent, {"learning_rate": float("nan")}),
        (gn.GradientDescent, {"momentum": 1.0}),
        (gn.GradientDescent, {"momentum": -0.1}),
        (gn.GradientDescent, {"nesterov": True}),
        (gn.GradientDescent, {"weight_decay": -1e-3}),
        (gn.GradientDescent, {"clip_norm": 0.0}),
        (gn.RMSprop, {"decay": 1.0}),
        (gn.RMSprop, {"epsilon": 0.0}),
        (gn.Adam, {"beta1": 1.0}),
        (gn.Adam, {"beta2": -0.5}),
        (gn.Adam, {"epsilon": -1e-8}),
    ],
)
def test_settings_out_of_range_are_refused(kind, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        kind(**setting)


@pytest.mark.parametrize("kind", [gn.GradientDescent, gn.RMSprop, gn.Adam, gn.AdamW])
@pytest.mark.parametrize("rate", ["0.1", None, True, [0.1]])
def test_a_learning_rate_that_is_no_number_is_refused(kind, rate):
    with pytest.raises(TypeError, match="learning_rate"):
        kind(rate)


SCHEDULE = gn.Exponential(0.1, factor=0.9, every=1)


@pytest.mark.parametrize(
    ("optimizer", "constant"),
    [
        (gn.GradientDescent(0.1), True),
        (gn.GradientDescent(0.1, momentum=0.9), True),
        (gn.GradientDescent(SCHEDULE), False),
        (gn.RMSprop(0.1), True),
        (gn.RMSprop(SCHEDULE), False),
        (gn.Adam(0.1), False),
        (gn.Adam(SCHEDULE), False),
        (gn.AdamW(0.1), False),
    ],
    ids=str,
)
def test_constant_coefficients_are_the_same_at_every_step(optimizer, constant):
    assert optimizer.constant_coefficients is constant
    distinct = {optimizer.coefficients(step, 10, step) for step in range(10)}
    assert len(distinct) == (1 if constant else 10)


def test_coefficients_by_hand():
    """The schedule counts the steps of this fit, the correction of the start every update."""
    schedule = gn.InverseTime(0.4, half_life=2)
    assert gn.GradientDescent(schedule).coefficients(2, 9, 7) == (0.2,)
    assert gn.RMSprop(schedule).coefficients(2, 9, 7) == (0.2,)
    rate, first, second = gn.Adam(schedule, beta1=0.5, beta2=0.75).coefficients(2, 9, 1)
    assert (rate, first) == (0.2, 0.2 / (1 - 0.5**2))
    assert second == pytest.approx((1 - 0.75**2) ** -0.5, rel=1e-15)


def test_slots_of_every_rule():
    kinds = [gn.GradientDescent(), gn.GradientDescent(momentum=0.5), gn.RMSprop(), gn.Adam(), gn.AdamW()]
    assert [optimizer.slots for optimizer in kinds] == [0, 1, 1, 2, 2]


def test_defaults_are_those_of_the_papers():
    adam, rmsprop, descent = gn.Adam(), gn.RMSprop(), gn.GradientDescent()
    assert (adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon) == (1e-3, 0.9, 0.999, 1e-8)
    assert (rmsprop.learning_rate, rmsprop.decay, rmsprop.epsilon) == (1e-3, 0.99, 1e-8)
    assert (descent.learning_rate, descent.momentum, descent.nesterov) == (0.1, 0.0, False)
    for optimizer in (adam, rmsprop, descent):
        assert (optimizer.weight_decay, optimizer.clip_norm) == (0.0, None)


@pytest.mark.parametrize(
    "optimizer",
    [
        gn.GradientDescent(
            np.float32(0.5), np.float32(0.25), weight_decay=np.float64(0.125), clip_norm=np.int8(3)
        ),
        gn.RMSprop(np.float64(0.5), np.float32(0.25), np.float16(0.125)),
        gn.Adam(np.int64(1), np.float64(0.5), np.float32(0.25), np.float32(0.125)),
        gn.AdamW(0.5, weight_decay=np.float64(0.5)),
    ],
    ids=repr,
)
def test_numbers_of_numpy_are_pythons_own(optimizer):
    """A float64 would make float64 of the float32 arrays that it is multiplied with."""
    settings = {f.name: getattr(optimizer, f.name) for f in dataclasses.fields(optimizer)}
    assert {type(value) for value in settings.values()} <= {int, float, bool, type(None)}
    assert type(optimizer)(**settings) == optimizer
    theta = np.ones((2, 3), np.float32)
    new, slots = optimizer.update(np, theta, theta, (theta,) * optimizer.slots, np.ones(3, np.float32))
    assert {array.dtype for array in (new, *slots)} == {np.dtype("float32")}
