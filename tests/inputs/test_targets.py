"""Targets as columns: class numbers of any type, rows of probabilities, and what they mean."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.checks import Reach
from gpunet.devices.placement import Placement
from gpunet.inputs.targets import reach_of, targets


def columns(backend, y, units, activation="softmax", loss="cross_entropy", m=None):
    """``(Y on the host, kind)``."""
    placement = Placement(backend, backend.devices()[0])
    m = len(y) if m is None else m
    Y, kind = targets("y", y, placement, "float32", m, units, activation, loss)
    return np.asarray(backend.to_host(Y)), kind


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "int64", "float32", "float64"]
)
@pytest.mark.parametrize("units", [256, 300, 1000])
def test_class_numbers_of_narrow_types(backend, dtype, units):
    """More classes than a byte has values: no number may be taken modulo 256."""
    y = np.array([0, 44, 43, 127, 100], dtype=dtype)
    if dtype == "uint8":
        y = np.append(y, np.uint8(255))
    Y, kind = columns(backend, y, units)
    assert kind == "classes"
    assert Y.dtype == np.float32
    assert np.array_equal(Y, np.eye(units, dtype="float32")[:, y.astype(int)])


@pytest.mark.parametrize("units", [2, 300])
def test_class_numbers_in_the_backends_own_library(backend, units):
    y = np.array([0, 1, 1], dtype="uint8")
    Y, _ = columns(backend, backend.from_host(y, backend.devices()[0]), units, m=3)
    assert np.array_equal(Y, np.eye(units)[:, y])
    flags = backend.from_host(np.array([True, False]), backend.devices()[0])
    assert np.array_equal(columns(backend, flags, units, m=2)[0], np.eye(units)[:, [1, 0]])


def test_sums_of_probabilities(backend):
    """Rounding is let through, a wrong row is not."""
    y = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]], dtype="float32")
    assert np.array_equal(columns(backend, y, 3)[0], y.T)
    for off in (9e-4, -9e-4):
        close = y.copy()
        close[1, 1] = min(1.0, 1 + off)
        close[1, 0] = max(0.0, off)
        columns(backend, close, 3)
    for off in (2e-3, 0.1, 0.29):
        for sign in (1, -1):
            wrong = y.copy()
            wrong[2, 2] += sign * off
            with pytest.raises(ValueError, match="row 2 sums to"):
                columns(backend, wrong, 3)
    # Only cross-entropy asks for it.
    columns(backend, np.array([[0.2, 0.3, 0.1]]), 3, loss="squared_error")


@pytest.mark.parametrize(
    ("activation", "units", "kind"),
    [("softmax", 3, "classes"), ("sigmoid", 3, "labels"), ("identity", 3, "values"), ("tanh", 1, "values")],
)
def test_kinds(backend, activation, units, kind):
    rows = np.eye(3)[:, :units]
    assert columns(backend, rows, units, activation, "squared_error")[1] == kind
    if units > 1:
        assert columns(backend, np.arange(3), units, activation, "squared_error")[1] == "classes"


@pytest.mark.parametrize(
    ("activation", "loss", "fits", "refused"),
    [
        ("sigmoid", "logistic", [0.0, 1.0], [-1e-3, 1.001]),
        ("tanh", "squared_error", [-1.0, 1.0], [-1.001, 1.001]),
        ("relu", "squared_error", [0.0, 1e6], [-1e-3]),
        ("identity", "squared_error", [-1e6, 1e6], []),
    ],
)
def test_bounds_of_targets(backend, activation, loss, fits, refused):
    columns(backend, np.array(fits), 1, activation, loss)
    for value in refused:
        with pytest.raises(ValueError, match="in row 1"):
            columns(backend, np.array([0.5, value]), 1, activation, loss)


def test_one_output_takes_flat_and_upright_targets():
    numpy = gn.get_backend("numpy")
    for shape in ((4,), (4, 1)):
        Y, _ = columns(numpy, np.arange(4.0).reshape(shape), 1, "identity", "squared_error")
        assert np.array_equal(Y, [[0.0, 1.0, 2.0, 3.0]])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_class_numbers_in_a_column(backend, own, dtype):
    y = np.array([[2], [0], [1], [2]], dtype=dtype)
    given = backend.from_host(y, backend.devices()[0]) if own else y
    Y, kind = columns(backend, given, 3, m=4)
    assert kind == "classes"
    assert np.array_equal(Y, np.eye(3)[:, [2, 0, 1, 2]])
    assert np.array_equal(columns(backend, y.tolist(), 3)[0], Y)


@pytest.mark.parametrize(
    ("shape", "units", "said"),
    [
        (
            (6, 3),
            4,
            "(6, 4), or class numbers (6,) for this network; got (6, 3). The last layer has 4 units: give it 3",
        ),
        ((6, 2), 1, "(6, 1) or (6,) for this network; got (6, 2). The last layer has 1 unit: give it 2"),
        ((4, 6), 4, "got (4, 6). These look like columns: pass y.T."),
        ((5, 4), 4, "got (5, 4). X has 6 examples."),
        ((5,), 1, "got (5,). X has 6 examples."),
        ((6, 4, 1), 4, "got (6, 4, 1)."),
    ],
)
def test_what_is_said_of_shapes(shape, units, said):
    with pytest.raises(ValueError) as caught:
        columns(gn.get_backend("numpy"), np.zeros(shape), units, "identity", "squared_error", m=6)
    assert said in str(caught.value)
    assert str(caught.value).startswith("y must have shape ")


@pytest.mark.parametrize(
    ("activation", "loss", "value", "advice"),
    [
        ("sigmoid", "logistic", -1.0, "Write the two classes as 0 and 1."),
        ("sigmoid", "logistic", 2.0, "Class numbers need a softmax output"),
        ("sigmoid", "logistic", 1.5, "Scale the targets"),
        ("sigmoid", "logistic", -2.0, "Scale the targets"),
        ("sigmoid", "squared_error", 2.0, "Scale the targets"),
        ("tanh", "squared_error", -1.5, "Scale the targets"),
    ],
)
def test_advice_for_targets_out_of_reach(activation, loss, value, advice):
    """The row and its first wrong entry are named."""
    y = np.zeros((4, 3))
    y[2, 1] = y[3, 0] = value
    with pytest.raises(ValueError, match=rf"^y holds {value:g} in row 2, .* {activation} output .*{advice}"):
        columns(gn.get_backend("numpy"), y, 3, activation, loss)


def test_classes_are_counted_in_the_labels_type_and_on_their_device(monkeypatch):
    backend, asked = gn.get_backend("readonly"), {}
    xp = backend.namespace()

    class Namespace:
        def __getattr__(self, name):
            return getattr(xp, name)

        def arange(self, stop, **more):
            asked.update(more)
            return xp.arange(stop, **more)

    monkeypatch.setattr(type(backend), "namespace", lambda self: Namespace())
    placement = Placement(backend, "cpu")
    targets("y", np.array([0, 2, 1]), placement, "float32", 3, 3, "softmax", "cross_entropy")
    assert asked == {"dtype": np.int32, "device": "cpu"}


@pytest.mark.parametrize(
    ("row", "activation", "loss", "said"),
    [
        ([1.0, 1.5], "sigmoid", "logistic", r"y holds 1\.5 in row 0, .* Scale the targets"),
        ([0.0, -0.5], "sigmoid", "logistic", r"y holds -0\.5 in row 0, .* Scale the targets"),
        ([1.0, 2.0], "sigmoid", "logistic", "y holds 2 in row 0, .* Class numbers need a softmax output"),
        ([1.0, -1.0], "softmax", "cross_entropy", "y holds -1 in row 0, .* Write the two classes as 0 and 1"),
        ([1.0, -1.0], "sigmoid", "logistic", "y holds -1 in row 0, .* Write the two classes as 0 and 1"),
        ([1.0, -1.0], "sigmoid", "squared_error", "y holds -1 in row 0, .* Scale the targets"),
    ],
)
def test_the_number_out_of_reach_is_named(row, activation, loss, said):
    """The first one that is outside, not one on the bound."""
    placement = Placement(gn.get_backend("numpy"), "cpu")
    with pytest.raises(ValueError, match=said):
        targets("y", np.array([row]), placement, "float32", 1, 2, activation, loss)


@pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64"])
def test_class_numbers_without_a_sign(kind):
    """PyTorch has few operations for them."""
    torch = pytest.importorskip("torch")
    y = torch.tensor([0, 2, 1]).to(getattr(torch, kind))
    placement = Placement(gn.get_backend("torch"), "cpu")
    found = targets("y", y, placement, "float32", 3, 3, "softmax", "cross_entropy")
    assert found.Y.T.tolist() == np.eye(3)[[0, 2, 1]].tolist()
    with pytest.raises(
        ValueError, match=r"y must hold class numbers 0 to 1, .* row 1 is 2\. Count classes from 0\."
    ):
        targets("y", y, placement, "float32", 3, 2, "softmax", "cross_entropy")


def test_what_targets_may_be():
    """A backend that checks them at once is told so."""
    assert reach_of(True, 4, "softmax", "cross_entropy") == Reach(True, 0, 3)
    assert reach_of(False, 4, "softmax", "cross_entropy") == Reach(False, 0.0, 1.0, sum_to_one=True)
    assert reach_of(False, 4, "sigmoid", "logistic") == Reach(False, 0.0, 1.0)
    assert reach_of(False, 1, "tanh", "squared_error") == Reach(False, -1.0, 1.0)
