"""Settings as text and numbers, and what differs between two of them."""

import json
from functools import partial

import numpy as np

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
