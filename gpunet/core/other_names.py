"""What other libraries call losses, activations and optimizers, and what gpunet calls them."""

from __future__ import annotations

from typing import NamedTuple


class Meant(NamedTuple):
    """gpunet's name for something, and how it differs from what has the other name."""

    name: str
    difference: str = ""


_SQUARED = Meant(
    "squared_error",
    "½ Σ (a − y)² over the outputs of an example, where the mean squared error is the mean of (a − y)²",
)
_ABSOLUTE = Meant(
    "absolute_error",
    "Σ |a − y| over the outputs of an example, where the mean absolute error is their mean",
)
_LOGISTIC = Meant(
    "logistic",
    "for sigmoid outputs, summed over the outputs of an example, where binary cross-entropy is their mean",
)
_CROSS_ENTROPY = Meant(
    "cross_entropy",
    "the same for softmax outputs; targets are class numbers or one-hot rows",
)

# Written in lower case, without hyphens, underscores and spaces.
LOSSES_ELSEWHERE = {
    **dict.fromkeys(("mse", "mseloss", "meansquarederror", "squarederrors", "l2", "l2loss"), _SQUARED),
    **dict.fromkeys(("mae", "maeloss", "meanabsoluteerror", "l1", "l1loss"), _ABSOLUTE),
    **dict.fromkeys(
        ("bce", "bceloss", "bcewithlogits", "bcewithlogitsloss", "binarycrossentropy", "logloss", "sigmoid"),
        _LOGISTIC,
    ),
    **dict.fromkeys(
        (
            "ce", "celoss", "crossentropyloss", "categoricalcrossentropy", "sparsecategoricalcrossentropy",
            "nll", "nllloss", "softmax",
        ),
        _CROSS_ENTROPY,
    ),
}  # fmt: skip
OPTIMIZERS_ELSEWHERE = {
    "sgd": Meant("gradient_descent"),
    "gradientdescent": Meant("gradient_descent"),
    "momentum": Meant("gradient_descent", "with a momentum"),
    "nesterov": Meant("gradient_descent", "with a momentum, and Nesterov's form of it"),
}
ACTIVATIONS_ELSEWHERE = {
    "linear": Meant("identity"),
    "none": Meant("identity"),
    "swish": Meant("silu"),
    "logistic": Meant("sigmoid"),
    "leakyrelu": Meant("leaky_relu", "slope 0.01 below zero"),
}
_GLOROT, _HE = "after Glorot and Bengio 2010", "after He et al. 2015"
INITIALIZERS_ELSEWHERE = {
    "xavier": Meant(
        "lecun_normal", "as the lecture has it; Glorot and Bengio's are glorot_normal and glorot_uniform"
    ),
    "xaviernormal": Meant("glorot_normal", _GLOROT),
    "xavieruniform": Meant("glorot_uniform", _GLOROT),
    "he": Meant("he_normal", _HE),
    "kaiming": Meant("he_normal", _HE),
    "kaimingnormal": Meant("he_normal", _HE),
    "kaiminguniform": Meant("he_uniform", _HE),
}
