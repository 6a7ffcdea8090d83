"""Messages about layers and losses that make no network: the hint fits the mistake, and only that one."""

import pytest

from gpunet.core.architecture import dense_and_dropouts, loss_for
from gpunet.core.layers import Dense


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        ("tanh", " An activation belongs to its layer: Dense(10, 'tanh')."),
        ("dense", ""),
        (7, " Dense(7, 'relu') is a layer of 7 units."),
        (None, ""),
        ([3], ""),
    ],
)
def test_what_was_probably_meant(layer, hint):
    with pytest.raises(TypeError) as caught:
        dense_and_dropouts([layer])
    assert str(caught.value) == f"a layer must be a Dense or a Dropout, got {layer!r}.{hint}"


@pytest.mark.parametrize(
    ("loss", "activation", "message"),
    [
        (
            "cross_entropy",
            "sigmoid",
            "cross_entropy needs an output between 0 and 1 that sums to 1: softmax; the last layer is sigmoid."
            " Independent sigmoids go with 'logistic'.",
        ),
        (
            "logistic",
            "tanh",
            "logistic needs an output between 0 and 1: sigmoid or softmax; the last layer is tanh.",
        ),
    ],
)
def test_outputs_that_do_not_fit_the_loss(loss, activation, message):
    with pytest.raises(ValueError, match="needs an output") as caught:
        loss_for(Dense(3, activation), loss)
    assert str(caught.value) == message


def test_one_layer_needs_no_list():
    assert dense_and_dropouts(Dense(3, "relu")) == dense_and_dropouts([Dense(3, "relu")])
    assert dense_and_dropouts(Dense(3, "relu"))[0] == (Dense(3, "relu"),)
