"""User data to rows on a device: types, transfers, shapes, numbers that are not finite."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.arrays import (
    checked_rows,
    first_true,
    from_lists,
    require_finite,
    require_real,
    shape_of,
    to_device_array,
)


@pytest.fixture
def transfers(monkeypatch):
    """A placement, and the type and order of each NumPy array that is transferred to it."""
    backend, seen = gn.get_backend("readonly"), []
    from_host = type(backend).from_host

    def spied(self, array, device):
        seen.append((array.dtype.str, array.flags.c_contiguous))
        return from_host(self, array, device)

    monkeypatch.setattr(type(backend), "from_host", spied)
    return Placement(backend, "cpu"), seen


@pytest.mark.parametrize(
    ("given", "transferred"),
    [
        ("float64", "<f4"),  # cast before the transfer
        ("float32", "<f4"),
        (">f8", "<f4"),
        ("int64", "<f4"),
        ("int16", "<f4"),
        ("uint8", "|u1"),  # a quarter of the traffic
        ("int8", "|i1"),
        ("bool", "|b1"),
    ],
)
def test_what_is_transferred(transfers, given, transferred):
    placement, seen = transfers
    host = np.array([[0, 1, 1], [1, 0, 1]]).astype(given).T
    found = to_device_array("X", host, placement, "float32")
    assert seen == [(transferred, True)]
    values = placement.backend.to_host(found)
    assert values.dtype == np.float32
    assert np.array_equal(values, host.astype("float32"))


@pytest.mark.parametrize("given", ["float64", ">i4", "uint8", "bool"])
def test_without_a_type_arrays_keep_theirs(transfers, given):
    placement, seen = transfers
    found = to_device_array("y", np.ones(3, given), placement, None)
    assert seen == [(np.dtype(given).newbyteorder("=").str, True)]
    assert placement.backend.to_host(found).dtype == np.dtype(given).newbyteorder("=")


def test_arrays_on_the_device_are_not_copied():
    numpy = Placement(gn.get_backend("numpy"), "cpu")
    X = np.ones((2, 3), "float32")
    assert to_device_array("X", X, numpy, "float32") is X
    assert to_device_array("X", X, numpy, None) is X
    assert to_device_array("X", X, numpy, "float64").dtype == np.float64
    assert np.isinf(to_device_array("X", np.array([1e300]), numpy, "float32")).all()  # and no warning


@pytest.mark.parametrize("name", ["numpy", "readonly"])
def test_what_holds_no_real_numbers(name):
    placement = Placement(gn.get_backend(name), "cpu")
    for bad, said in (
        (np.array(["a"]), "text"),
        (np.array([b"a"]), "text"),
        (np.array(["a"], np.dtypes.StringDType()), "text"),
        (np.array([None]), "Python objects"),
        (np.array([1j]), "complex numbers"),
        (np.array(["2020"], "datetime64[Y]"), "dates"),
        (np.array([1], "timedelta64[s]"), "time spans"),
    ):
        with pytest.raises(TypeError, match=rf"^X must hold real numbers, it holds {said}(\.| \()"):
            to_device_array("X", bad, placement, "float32")


def test_hints_for_types():
    for name, hint in (
        ("y", "Class names"),
        ("validation y", "Class names"),
        ("X", r"numpy.asarray\(X, dtype"),
    ):
        for kind in "US":
            with pytest.raises(TypeError, match=hint):
                require_real(name, np.dtype(f"{kind}1"))
    with pytest.raises(TypeError) as caught:
        require_real("X", np.dtype("complex64"))
    assert str(caught.value) == "X must hold real numbers, it holds complex numbers."
    with pytest.raises(TypeError, match=r"it holds torch\.qint8"):
        require_real("X", "torch.qint8")
    for kind in ("bool", "int8", "uint16", "float16"):
        require_real("X", np.dtype(kind))


def said_of(shape, inputs):
    with pytest.raises(ValueError) as caught:
        shape_of("X", np.zeros(shape), inputs)
    return str(caught.value)


def test_shapes():
    assert shape_of("X", np.zeros((5, 3)), None) == (5, 3)
    assert shape_of("X", np.zeros((5, 3)), 3) == (5, 3)
    assert shape_of("X", np.zeros((5, 2, 3)), 6) == (5, 6)
    assert shape_of("X", np.zeros((5, 2, 3, 4)), 24) == (5, 24)


def test_hints_for_shapes():
    one, upright = (
        " One example alone is X.reshape(1, -1).",
        " 3 examples of one feature are X.reshape(-1, 1).",
    )
    for inputs, hint in ((3, one), (1, one + upright), (None, one + upright)):
        assert said_of((3,), inputs).endswith(f"got shape (3,).{hint}")
    assert said_of((0,), 3).endswith("got shape (0,).")
    assert said_of((), 3).endswith("got shape ().")
    assert said_of((1, 1, 1, 1, 3), 3).endswith("got shape (1, 1, 1, 1, 3).")
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert said_of(shape, None) == f"X is empty: its shape is {shape}"
    assert said_of((3, 5), 3).endswith(
        "(shape (3, 5)), the network takes 3. These look like columns: pass X.T."
    )
    assert said_of((2, 3), 6).endswith("the network takes 6. One example alone is X.reshape(1, -1).")
    assert said_of((2, 2, 3), 12).endswith("the network takes 12. One example alone is X.reshape(1, -1).")
    assert said_of((2, 5), 4) == "X has 5 features per example (shape (2, 5)), the network takes 4."
    assert said_of((4, 5, 1), 4).endswith("the network takes 4.")


def test_rows(backend):
    placement = Placement(backend, backend.devices()[0])
    images = np.arange(24).reshape(2, 3, 4)
    for given in (images, images.tolist(), placement.to_device(images.astype("int32"))):
        rows = checked_rows("X", given, placement, "float32", 12)
        assert np.array_equal(backend.to_host(rows), images.reshape(2, 12))
    bad = images.reshape(2, 12) + 0.0
    bad[1, 3] = np.nan
    checked_rows("X", bad, placement, "float32", 12, finite=False)
    with pytest.raises(ValueError, match="first in row 1"):
        checked_rows("X", bad, placement, "float32", 12)
    for wrong, kind in ((None, "NoneType"), ("a.csv", "str"), (b"a", "bytes"), ({}, "dict")):
        with pytest.raises(TypeError, match=f"X must be an array or a list of rows, got {kind}"):
            checked_rows("X", wrong, placement, "float32", 12)


@pytest.mark.parametrize("shape", [(4, 2), (4,)])
def test_numbers_that_are_not_finite(backend, shape):
    placement = Placement(backend, backend.devices()[0])
    good = np.ones(shape, "float32")
    require_finite(placement.xp, "X", placement.to_device(good))
    for value in (np.nan, np.inf, -np.inf):
        bad = good.copy()
        bad[2] = value
        with pytest.raises(ValueError, match=r"X holds NaN, infinity or .* for float32, first in row 2"):
            require_finite(placement.xp, "X", placement.to_device(bad))


def test_a_sum_that_overflows_is_no_mistake(backend):
    placement = Placement(backend, backend.devices()[0])
    require_finite(placement.xp, "X", placement.to_device(np.full((3, 2), 3e38, "float32")))


def test_the_first_true_entry(backend):
    placement = Placement(backend, backend.devices()[0])
    assert first_true(placement.xp, placement.to_device(np.array([False, True, False, True]))) == 1


def test_lists_and_tables():
    class Table:
        def to_numpy(self):
            return np.array([1, 2])

    class Sparse:
        def toarray(self):
            return np.zeros((1, 1))

    assert from_lists("X", [[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert from_lists("X", Table()).tolist() == [1, 2]
    assert from_lists("X", np.ma.masked_array([1, 2], [False, False])).tolist() == [1, 2]
    for bad, error, said in (
        (np.ma.masked_array([1, 2], [False, True]), ValueError, "X has masked entries"),
        (Sparse(), TypeError, r"X is a sparse matrix, but none of SciPy or CuPy: pass a scipy"),
        ([[1, 2], [3]], ValueError, "X is ragged: row 0 has 2 entries, row 1 has 1 entries"),
        ([[1, 2], [3, 4], 5], ValueError, "row 0 has 2 entries, row 2 has a single number"),
        ([1, [2]], ValueError, "row 0 has a single number, row 1 has 1 entries"),
        ([[[1], [2, 3]], [[1], [2]]], ValueError, "X is ragged: setting an array element"),
    ):
        with pytest.raises(error, match=said):
            from_lists("X", bad)


def test_data_of_the_right_type_are_transferred_without_a_copy(monkeypatch):
    backend, seen = gn.get_backend("readonly"), []
    from_host = type(backend).from_host

    def spied(self, array, device):
        seen.append((array, from_host(self, array, device)))
        return seen[-1][1]

    monkeypatch.setattr(type(backend), "from_host", spied)
    X = np.ones((2, 3), "float32")
    found = to_device_array("X", X, Placement(backend, "cpu"), "float32")
    ((host, moved),) = seen
    assert np.shares_memory(host, X)
    assert np.shares_memory(found, moved)


def test_lists_of_text_are_refused_for_their_type_not_for_their_shape():
    placement = Placement(gn.get_backend("numpy"), "cpu")
    with pytest.raises(TypeError, match="X must hold real numbers, it holds text"):
        checked_rows("X", ["a", "b"], placement, "float32", 2)
