"""Which functions are transforms, what they are given, and mistakes in them."""

import functools

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.transforms import takes_targets
from small_networks import network, same, small_data
from transforms import as_it_is


class Callable:
    def __call__(self, X, y, rng):
        return X, y


@pytest.mark.parametrize(
    ("function", "targets"),
    [
        (as_it_is, False),
        (lambda X, y, rng: (X, y), True),
        (lambda X, labels, rng: (X, labels), True),
        (lambda X, rng, strength=0.1: X, False),
        (lambda X, y, rng, strength=0.1: (X, y), True),
        (lambda X, y=None, rng=None: (X, y), True),
        (lambda *arrays: arrays[0], False),
        (functools.partial(lambda strength, X, rng: X, 0.5), False),
        (functools.partial(lambda strength, X, y, rng: (X, y), 0.5), True),
        (Callable(), True),
        (np.add, False),
    ],
)
def test_which_functions_get_targets(function, targets):
    assert takes_targets(function) == targets


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (3, "got 3"),
        ("noise", "got 'noise'"),
        (lambda X: X, r"its parameters are \(X\)"),
        (lambda a, b, c, d: a, r"\(a, b, c, d\)"),
        (lambda X, *, rng: X, r"\(X, \*, rng\)"),
    ],
)
def test_what_is_no_transform(function, said, rng):
    X, y = small_data(rng)
    net = network("numpy", standardizer=gn.Standardizer())
    with pytest.raises(TypeError, match=r"transform must be a function \(X, rng\) or \(X, y, rng\).*" + said):
        net.fit(X, y, transform=function)
    assert not net.standardizer.fitted


BAD = {
    "nothing": (lambda X, rng: None, TypeError, r"must return X, of shape \(5, 3\); .* it returned None"),
    "a wrong shape": (
        lambda X, rng: X[:, :2],
        ValueError,
        r"shape that it was given, \(5, 3\); got \(5, 2\)",
    ),
    "fewer rows": (lambda X, rng: X[:4], ValueError, r"\(5, 3\); got \(4, 3\)"),
    "NaN": (lambda X, rng: X * np.nan, ValueError, "holds NaN, infinity .* first in row 0"),
    "too large": (lambda X, rng: X.astype("float64") * 1e300, ValueError, "too large for float32"),
    "text": (lambda X, rng: X.astype(str), TypeError, "must hold real numbers, it holds text"),
    "complex": (lambda X, rng: X + 1j, TypeError, "complex numbers"),
    "one of two": (lambda X, y, rng: X, TypeError, r"must return the pair \(X, y\); .* it returned ndarray"),
    "three of two": (lambda X, y, rng: (X, y, rng), TypeError, "it returned 3 items"),
    "no targets": (lambda X, y, rng: (X, None), TypeError, r"the pair \(X, y\); .* y is None"),
    "a wrong shape of y": (lambda X, y, rng: (X, y[:, :2]), ValueError, "y that transform returned"),
    "y that is no distribution": (lambda X, y, rng: (X, 0.5 * y), ValueError, "sum to 1"),
    "NaN in y": (lambda X, y, rng: (X, y * np.nan), ValueError, "y that transform returned .* NaN"),
    "an error of its own": (lambda X, rng: X / (1 // 0), ZeroDivisionError, "by zero"),
}


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_mistakes_of_a_transform(case, progress, rng, chunks_of, monkeypatch):
    """The message names the step, and the network is as it was after the last epoch, though the run has pauses."""
    chunks_of(1)
    monkeypatch.setattr("gpunet.training.chunks.FIRST_STEPS", 1)
    function, error, said = BAD[case]
    X, y = small_data(rng)
    net, other = (network("numpy") for _ in range(2))
    calls = []

    def twice(*given):
        calls.append(1)
        if len(calls) > 3 + 1:  # the second step of the second epoch
            return function(*given)
        return given[0] if len(given) == 2 else given[:2]

    if takes_targets(function):
        transform = lambda X, y, rng: twice(X, y, rng)  # noqa: E731
    else:
        transform = lambda X, rng: twice(X, rng)  # noqa: E731
    with pytest.raises(error, match=said) as caught, np.errstate(all="ignore"):
        net.fit(X, y, epochs=3, batch_size=5, transform=transform, progress=progress)
    notes = getattr(caught.value, "__notes__", [])
    assert "in epoch 2, step 2" in str(caught.value) + " ".join(notes)
    other.fit(X, y, epochs=1, batch_size=5)
    assert same(net, other)
    assert net.epochs_trained == 1
    for one in (net, other):  # and goes on
        one.fit(X, y, epochs=1, batch_size=5)
    assert same(net, other)


@pytest.mark.parametrize("with_targets", [False, True])
def test_a_function_may_return_the_same_array_each_time(with_targets, rng):
    """Several batches are transformed before the first of them is used."""
    X, y = small_data(rng)
    kept = {}

    def again(name, rows):
        """The rows in an array that the call before has returned."""
        array = kept.setdefault((name, rows.shape), np.empty_like(rows))
        array[:] = rows
        return array

    def inputs(X, rng):
        return again("X", X + rng.normal(size=X.shape).astype("float32"))

    def both(X, y, rng):
        return inputs(X, rng), again("y", y[:, ::-1])

    def fresh(X, rng):
        return X + rng.normal(size=X.shape).astype("float32")

    def fresh_both(X, y, rng):
        return fresh(X, rng), y[:, ::-1].copy()

    one, two = network("numpy"), network("numpy")
    one.fit(X, y, epochs=2, batch_size=5, transform=both if with_targets else inputs)
    two.fit(X, y, epochs=2, batch_size=5, transform=fresh_both if with_targets else fresh)
    assert same(one, two)
