"""Numbers that stand for names in kernels: of activations, of losses, and of the types of integers."""

from __future__ import annotations

import numpy as np

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, SOFTPLUS, SOFTMAX, GELU, SILU, MISH = range(12)
SELF_GATED = GELU  # from this number on g′ is no function of a = g(z), so it is stored
ACTIVATION = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "selu": SELU,
    "softplus": SOFTPLUS,
    "softmax": SOFTMAX,
    "gelu": GELU,
    "silu": SILU,
    "mish": MISH,
}
CROSS_ENTROPY, LOGISTIC, SQUARED_ERROR, ABSOLUTE_ERROR = range(4)
LOSS = {
    "cross_entropy": CROSS_ENTROPY,
    "logistic": LOGISTIC,
    "squared_error": SQUARED_ERROR,
    "absolute_error": ABSOLUTE_ERROR,
}

# What the numbers of a row are; the bytes of a truth value are 0 and 1.
UINT8, INT8, UINT16, INT16 = 1, 2, 3, 4
KIND = {"bool": UINT8, "uint8": UINT8, "int8": INT8, "uint16": UINT16, "int16": INT16}
STORED = {UINT8: np.uint8, INT8: np.int8, UINT16: np.uint16, INT16: np.int16}
