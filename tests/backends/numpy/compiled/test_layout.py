"""Parameters come back from a layout as they went in; data reach kernels as one type."""

import numpy as np
import pytest

from gpunet_numpy.compiled.data import bounds_of, data_of, losses_of
from gpunet_numpy.compiled.layout import Layout, aligned, by_kind, by_layer
from random_plans import OPTIMIZERS, draw, numbers, plan_of


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
@pytest.mark.parametrize("network", ["linear", "three-hidden"])
def test_round_trip(network, optimizer, threads):
    plan = plan_of(network, OPTIMIZERS[optimizer], 4, "float32")
    state, _ = draw(plan)
    layout = Layout.of(plan, threads)
    panels, later = layout.pack(*by_kind(state))
    second = layout.pack_second(later)
    later_without_second = later.copy()
    if second.size:
        layout._second(later_without_second[0])[:] = 0
    layout.unpack_second(second, later_without_second)
    assert np.array_equal(later, later_without_second)
    found = by_layer(layout.unpack(panels, later))
    assert np.array_equal(numbers(list(found)), numbers(state))
    assert panels.ctypes.data % 64 == later.ctypes.data % 64 == 0
    width = max(owned.stop - owned.start for owned in layout.neurons)
    assert not panels[..., width:].any()


def test_only_slots_that_are_0_everywhere_are_left_out():
    layout = Layout([5, 20, 3], ["tanh"] * 2, "float32", 2)
    rest = np.zeros((20, 1), "float32"), np.zeros((3, 20), "float32"), np.zeros((3, 1), "float32")
    for place in (None, (0, 0), (0, 4), (19, 0), (19, 4)):
        W = np.zeros((20, 5), "float32")
        if place is not None:
            W[place] = np.nan
        kind = [(W, rest[0]), rest[1:]]
        panels, later = layout.pack(kind, kind)
        for found in layout.unpack(panels, later):
            assert np.array_equal(found[0][0], W, equal_nan=True), place


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
def test_panels_of_views(optimizer):
    """Only all views together, where each of them is, are known again."""
    plan = plan_of("wide", OPTIMIZERS[optimizer], 4, "float32")
    state, _ = draw(plan)
    layout = Layout.of(plan, 1)
    panels, later = layout.pack(*by_kind(state))
    views = layout.unpack_views(panels, later)
    found = layout.panels_of(views)
    assert found.shape == panels.shape
    assert found.ctypes.data == panels.ctypes.data

    def with_weights(k, W):
        changed = [list(layers) for layers in views]
        changed[k][0] = (W, changed[k][0][1])
        return changed

    last = views[-1][0][0]
    others = {
        "a copy": with_weights(-1, last.copy()),
        "another place": with_weights(-1, last.base[1:][: last.size].reshape(last.shape[::-1]).T),
        "another base": with_weights(-1, layout.unpack_views(panels.copy(), later)[-1][0][0]),
        "rows in memory": by_kind(state),
        "another type": [[(W.view("int32"), b) for W, b in layers] for layers in views],
        "more slots than there are": [*views, views[-1]],
    }
    if len(views) > 1:
        others["another order"] = views[::-1]
    for name, kinds in others.items():
        assert layout.panels_of(kinds) is None, name
    assert Layout.of(plan_of("wider", OPTIMIZERS[optimizer], 4, "float32"), 1).panels_of(views) is None


def test_activations_do_not_overlap():
    layout = Layout([5, 17, 3, 40], ["tanh"] * 3, "float32", 2)
    for first in (0, 1, 2):
        places, room = layout.at_A(7, first)
        ends = [int(places[l] + 7 * layout.strides[l]) for l in range(first, 4)]
        assert all(end <= start for end, start in zip(ends, places[first + 1 :], strict=False))
        assert ends[-1] <= room
        assert (places % 16 == 0).all()


def test_none_is_an_empty_array():
    plan = plan_of("linear", OPTIMIZERS["plain"], 4)
    _, inputs = draw(plan, shuffled=False)
    data = data_of(inputs, bounds_of(plan, inputs))
    assert data.weights.size == data.order.size == 0
    assert data.order.dtype == np.int32
    assert np.array_equal(data.X, inputs.X.T)


def test_losses_are_means_of_batches():
    sums = np.array([[30.0, 30.0], [15.0, 0.0]])
    losses = losses_of(sums, np.array([[0, 30], [30, 45]]), "float32")
    assert losses.tolist() == [2.0, 1.0] and losses.dtype == np.float32


def test_bounds_of_batches_and_blocks():
    """Of an epoch, of a part of it, of several, and of a full batch that is repeated."""
    plan = plan_of("linear", OPTIMIZERS["plain"], 30)  # of 75 examples
    _, inputs = draw(plan)
    epoch = [[0, 30], [30, 60], [60, 75]]
    three = inputs._replace(order=np.tile(inputs.order, 3))
    assert bounds_of(plan, inputs).tolist() == epoch
    assert bounds_of(plan, inputs, 60).tolist() == [[0, 60], [60, 75]]
    assert bounds_of(plan, inputs._replace(order=inputs.order[:45])).tolist() == [[0, 30], [30, 45]]
    assert bounds_of(plan, three).tolist() == [[a + 75 * e, b + 75 * e] for e in range(3) for a, b in epoch]
    assert bounds_of(plan, three, 60).tolist()[2:4] == [[75, 135], [135, 150]]
    plan = plan_of("linear", OPTIMIZERS["plain"], 75)
    again = inputs._replace(order=None, coefficients=np.zeros((4, 1)))
    assert bounds_of(plan, again).tolist() == [[0, 75]] * 4
    assert bounds_of(plan, again, 50).tolist() == [[0, 50], [50, 75]] * 4


def test_aligned_arrays():
    for dtype in ("float32", "float64", "int32"):
        for shape in ((1,), (3, 5), (0, 4)):
            made = aligned(*shape, dtype=dtype)
            assert made.shape == shape
            assert made.size == 0 or made.ctypes.data % 64 == 0
            assert not made.any()
