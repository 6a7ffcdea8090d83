"""Settings as text and numbers, and what differs between two of them."""

import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.described import described, differences


def one(network, history):
    return 1


class Own:
    def __init__(self, patience, other=2):
        self.patience, self.count = patience, 0


def test_settings_are_json():
    values = [
        gn.Adam(gn.Cosine(0.1), beta1=0.5),
        gn.Dense(3, "relu"),
        gn.EarlyStopping(3),
        Own(4),
        one,
        "a",
        None,
    ]
    found = json.loads(json.dumps(described(values)))
    assert found[0]["learning_rate"] == {
        "type": "Cosine",
        "initial": 0.1,
        "final": 0.0,
        "warmup": 0.0,
        "steps": None,
    }
    assert found[2] == {
        "type": "EarlyStopping",
        "patience": 3,
        "monitor": "val_loss",
        "min_delta": 0.0,
        "restore_best": True,
        "mode": None,
    }
    assert found[3] == {"type": "Own", "patience": 4}
    assert found[4]["function"].endswith(".one")
    assert found[5:] == ["a", None]
    assert described({1: np.float32(0.5)}) == {"1": 0.5}
    assert described(partial(one, 2)) == described(partial(one, 2)) != described(partial(one, 3))


def test_a_function_is_known_by_its_code():
    first, again, other = (lambda s, n: 0.1), (lambda s, n: 0.1), (lambda s, n: 0.2)
    assert described(first) == described(again)
    assert described(first) != described(other)
    assert described(gn.GradientDescent(first)) != described(gn.GradientDescent(other))


def test_differences():
    before = {"a": 1, "optimizer": described(gn.Adam(0.1)), "gone": 2, "list": [1, 2], "same": 3}
    now = {"a": 2, "optimizer": described(gn.Adam(gn.Cosine(0.1))), "list": [1, 3], "same": 3, "new": one}
    assert differences(before, {**now, "new": described(one)})[:4] == [
        "a was 1, now it is 2",
        "optimizer: learning_rate was 0.1, now it is Cosine(initial=0.1, final=0.0, warmup=0.0, steps=None)",
        "gone was 2, now it is None",
        "list was [1, 2], now it is [1, 3]",
    ]
    assert differences(before, {**before, "optimizer": described(gn.RMSprop())})[0].startswith(
        "optimizer was Adam(learning_rate=0.1"
    )
    assert differences(before, before) == []


def test_of_lists_of_objects_the_entries_that_differ():
    before = [gn.Dense(3, "relu"), gn.Dense(2, "softmax")]
    now = [gn.Dense(3, "relu"), gn.Dense(4, "softmax")]
    one, other = described({"layers": before}), described({"layers": now})
    assert differences(one, other) == ["layers[1]: units was 2, now it is 4"]
    assert differences(one, one) == []
    (line,) = differences(one, described({"layers": now[:1]}))
    assert line.startswith("layers was [Dense(")
    assert differences({"sizes": [1, 2]}, {"sizes": [1, 3]}) == ["sizes was [1, 2], now it is [1, 3]"]


def factory(scale):
    return lambda X, rng: X + scale


def draws_normal(X, rng, size=0.1):
    return X + size * rng.normal(size=X.shape)


def draws_uniform(X, rng, size=0.1):
    return X + size * rng.uniform(size=X.shape)


def named(function, name="f"):
    function.__qualname__ = name
    return function


def test_a_function_is_known_by_all_that_it_computes():
    """By the names that it uses, its defaults, functions within it, and numbers of the function that made it."""

    def later(X, rng, size=0.2):
        return X + size * rng.normal(size=X.shape)

    def keyword(X, rng, *, size=0.1):
        return X + size * rng.normal(size=X.shape)

    def other_keyword(X, rng, *, size=0.2):
        return X + size * rng.normal(size=X.shape)

    def within(X, rng):
        return (lambda x: x + 1)(X)

    def other_within(X, rng):
        return (lambda x: x + 2)(X)

    def nested(X, rng):
        return within(X, rng)

    functions = [draws_normal, draws_uniform, later, keyword, other_keyword, within, other_within, nested]
    functions += [
        factory(0.1),
        factory(0.2),
        factory("0.1"),
        factory((1, 2)),
        factory((1, 3)),
        factory(within),
    ]
    found = [described(named(function))["code"] for function in functions]
    assert len(set(found)) == len(found)
    assert described(factory(0.1)) == described(factory(0.1))
    two, three = (described(factory(np.float32(number))) for number in (2, 3))
    assert two == described(factory(np.float32(2))) != three


def test_numbers_of_a_callback_do_not_count():
    """They may be a deadline, which is another one when a run goes on."""

    def stops(deadline):
        return lambda network, history, more=deadline: history.epochs > deadline

    assert described([stops(1)]) != described([stops(2)])
    assert described([stops(1)], constants=False) == described([stops(2)], constants=False)
    assert described([draws_normal], constants=False) != described([draws_uniform], constants=False)


def test_what_a_function_counts_is_no_part_of_it():
    """It may have counted when the run goes on: a number of its own, or in lists."""
    seen, count = [], 0

    def callback(network, history, found=()):
        nonlocal count
        count += 1
        seen.append(history)

    before = described(callback)
    callback(None, "a")
    assert count == len(seen) == 1
    assert described(callback) == before


def test_a_function_that_calls_itself():
    def steps(n):
        return n and steps(n - 1)

    def others(unset=True):
        if unset:
            return lambda: late
        late = 1
        return late

    assert described(steps) == described(steps)
    assert described(others()) == described(others())  # one of its names has no value yet


CODE = """
from gpunet.training.described import described
def f(kind):
    return kind in {"alpha", "beta", "gamma", "delta"}, kind in (frozenset({1}), "x")
print(described(f)["code"], described({"alpha", "beta", "gamma"}), described(frozenset({"b", "a"})))
"""


def test_sets_are_the_same_in_each_process():
    """Their order follows from hashes, which each process draws anew."""
    found = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CODE]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    (text,) = found
    assert text.endswith("['alpha', 'beta', 'gamma'] ['a', 'b']\n")


def test_attributes_of_any_kind_are_json():
    """Callbacks are given data, files, locks and one another."""
    values = [
        np.arange(6.0).reshape(2, 3),
        {3, 1, 2},
        frozenset({"a"}),
        b"bytes",
        range(3),
        re.compile("a+"),
        threading.Lock(),
        np.dtype("float32"),
        np.random.default_rng(0),
        float("nan"),
        float("inf"),
        Path("here"),
        object(),
        gn.Loss("mine", max, max, outputs=frozenset({"sigmoid", "softmax"})),
    ]
    for value in values:
        first, again = (json.loads(json.dumps(described(Own(value)))) for _ in range(2))
        assert first == again, value
        assert first["type"] == "Own"
    assert described(b"one") != described(b"two")
    assert described(range(3)) != described(range(4))
    assert described(np.ones(3)) == described(np.ones(3)) != described(np.zeros(3))
    assert described({1, 2}) != described({1, 3})
    assert described({"a", 1, None}) == described({None, "a", 1})


def test_tables_are_known_by_what_they_hold():
    pandas = pytest.importorskip("pandas")
    for make in (pandas.Series, lambda values: pandas.DataFrame({"a": values})):
        assert described(make([1.0, 2.0])) == described(make([1.0, 2.0])) != described(make([1.0, 3.0]))


def test_objects_that_hold_each_other():
    first, second = Own(1), Own(2)
    first.patience, second.patience = second, first
    assert described(first) == {"type": "Own", "patience": {"type": "Own", "patience": {"type": "Own"}}}
    twice = [1]
    assert described([twice, twice]) == [[1], [1]]


SCALE, FACTORS, CALLS, NOT_READ = 0.5, (1, 2), 0, 1


def scaled(X):
    return [factor * X for factor in FACTORS]


def reads_globals(X, rng):
    return [one + SCALE for one in scaled(X)]


def counts_calls(X, rng):
    global CALLS
    CALLS += 1
    return X * SCALE


class ReadsGlobals:
    def __init__(self, size):
        self._size = size

    def __call__(self, X, rng):
        return (lambda: X + SCALE * self._size)()


def other_scaled(X):
    return [X]


@pytest.mark.parametrize("function", [reads_globals, partial(reads_globals, rng=1), ReadsGlobals(1)])
def test_a_function_is_known_by_the_global_numbers_that_it_reads(function, monkeypatch):
    before = described(function)
    assert json.loads(json.dumps(before)) == before
    monkeypatch.setitem(globals(), "NOT_READ", 2)
    assert described(function) == before
    monkeypatch.setitem(globals(), "SCALE", 0.25)
    assert described(function) != before


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SCALE", 0.25, "transform: SCALE was 0.5, now it is 0.25"),
        ("FACTORS", (1, 3), "transform: FACTORS was [1, 2], now it is [1, 3]"),
        (
            "scaled",
            other_scaled,
            f"transform: scaled was {__name__}.scaled (…), now it is {__name__}.other_scaled (…); "
            "transform: FACTORS was [1, 2], now it is None",
        ),
    ],
)
def test_the_global_that_differs_is_named(name, value, line, monkeypatch):
    """Also one that another function of the module reads."""
    before = {"transform": described(reads_globals)}
    listed = {"metrics": described([reads_globals, scaled])}
    monkeypatch.setitem(globals(), name, value)
    lines = "; ".join(differences(before, {"transform": described(reads_globals)}))
    assert re.sub(r"\(\w{16}\)", "(…)", lines) == line
    found = differences(listed, {"metrics": described([reads_globals, scaled])})
    assert found[0].startswith(f"metrics[0]: {name} was ")


def test_globals_of_a_callback_do_not_count(monkeypatch):
    before = described([reads_globals, ReadsGlobals(1)], constants=False)
    monkeypatch.setitem(globals(), "SCALE", 0.25)
    assert described([reads_globals, ReadsGlobals(2)], constants=False) == before


def test_a_global_that_a_function_counts_in_is_no_part_of_it():
    before = described(counts_calls)
    counts_calls(1.0, None)
    assert CALLS
    assert described(counts_calls) == before
    assert before.keys() == {"function", "code", "SCALE"}


def test_attributes_with_an_underscore():
    assert described(ReadsGlobals(1)) == {"type": "ReadsGlobals", "SCALE": 0.5, "size": 1}
    (line,) = differences(
        {"transform": described(ReadsGlobals(1))}, {"transform": described(ReadsGlobals(2))}
    )
    assert line == "transform: size was 1, now it is 2"
