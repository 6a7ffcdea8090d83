"""The output layer for targets, the loss for an output layer, and losses that do not fit it."""

import pytest

from gpunet.core.layers import Dense, Dropout
from gpunet.core.output import loss_for, output_for


@pytest.mark.parametrize(
    ("kind", "count", "output", "loss"),
    [
        ("classes", 2, Dense(1, "sigmoid"), "logistic"),
        ("classes", 3, Dense(3, "softmax"), "cross_entropy"),
        ("labels", 2, Dense(2, "sigmoid"), "logistic"),
        ("labels", 3, Dense(3, "sigmoid"), "logistic"),
        ("values", 1, Dense(1, "identity"), "squared_error"),
        ("values", 3, Dense(3, "identity"), "squared_error"),
    ],
)
def test_the_output_for_targets_and_its_loss(kind, count, output, loss):
    assert output_for(kind, count) == output
    assert loss_for(output, None) == loss


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


def test_layers_that_are_not_in_a_list():
    """As other libraries take them: the second one is in the place of the loss."""
    with pytest.raises(
        TypeError, match=r"^layers go into one list, .*; got Dense\(units=3, .* in the place of the loss$"
    ):
        loss_for(Dense(4), Dense(3))
    with pytest.raises(TypeError, match="layers go into one list"):
        loss_for(Dense(4), Dropout(0.1))
