"""What other libraries call losses and activations is answered with a name that gpunet has."""

import pytest

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES
from gpunet.core.other_names import ACTIVATIONS_ELSEWHERE, LOSSES_ELSEWHERE

EXPECTED = {
    "mse": "squared_error",
    "mae": "absolute_error",
    "bce": "logistic",
    "binarycrossentropy": "logistic",
    "categoricalcrossentropy": "cross_entropy",
    "linear": "identity",
    "none": "identity",
    "swish": "silu",
    "logistic": "sigmoid",
    "leakyrelu": "leaky_relu",
}


@pytest.mark.parametrize(
    ("elsewhere", "known"), [(LOSSES_ELSEWHERE, LOSSES), (ACTIVATIONS_ELSEWHERE, ACTIVATIONS)]
)
def test_every_answer_is_a_name_of_ours(elsewhere, known):
    assert {meant.name for meant in elsewhere.values()} <= known.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_answer_is_the_right_one(name):
    assert (LOSSES_ELSEWHERE | ACTIVATIONS_ELSEWHERE)[name].name == EXPECTED[name]
