"""What other libraries call losses, activations and optimizers is answered with a name that gpunet has."""

import pytest

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES
from gpunet.core.optimizers import OPTIMIZERS
from gpunet.core.other_names import ACTIVATIONS_ELSEWHERE, LOSSES_ELSEWHERE, OPTIMIZERS_ELSEWHERE

LOSSES_THERE = {
    "squared_error": ("mse", "mseloss", "meansquarederror", "squarederrors", "l2", "l2loss"),
    "absolute_error": ("mae", "maeloss", "meanabsoluteerror", "l1", "l1loss"),
    "logistic": (
        *("bce", "bceloss", "bcewithlogits", "bcewithlogitsloss"),
        *("binarycrossentropy", "logloss", "sigmoid"),
    ),
    "cross_entropy": (
        *("ce", "celoss", "crossentropyloss", "categoricalcrossentropy", "sparsecategoricalcrossentropy"),
        *("nll", "nllloss", "softmax"),
    ),
}
ACTIVATIONS_THERE = {
    "identity": ("linear", "none"),
    "silu": ("swish",),
    "sigmoid": ("logistic",),
    "leaky_relu": ("leakyrelu",),
}


@pytest.mark.parametrize(
    ("elsewhere", "known"),
    [
        (LOSSES_ELSEWHERE, LOSSES),
        (ACTIVATIONS_ELSEWHERE, ACTIVATIONS),
        (OPTIMIZERS_ELSEWHERE, OPTIMIZERS),
    ],
)
def test_every_answer_is_a_name_of_ours(elsewhere, known):
    assert {meant.name for meant in elsewhere.values()} <= known.keys()


@pytest.mark.parametrize(
    ("elsewhere", "there"), [(LOSSES_ELSEWHERE, LOSSES_THERE), (ACTIVATIONS_ELSEWHERE, ACTIVATIONS_THERE)]
)
def test_the_answer_is_the_right_one(elsewhere, there):
    wanted = {other: name for name, others in there.items() for other in others}
    assert {other: meant.name for other, meant in elsewhere.items()} == wanted


def test_names_that_mean_quite_the_same_have_no_difference():
    same = {name for name, meant in ACTIVATIONS_ELSEWHERE.items() if not meant.difference}
    assert same == {"linear", "none", "swish", "logistic"}
    assert all(meant.difference for meant in LOSSES_ELSEWHERE.values())
