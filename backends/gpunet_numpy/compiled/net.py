"""What a kernel is told of a network."""

from __future__ import annotations

from typing import NamedTuple


class Net(NamedTuple):
    """Addresses of int64, one for each layer from 0 on, and codes."""

    L: int
    sizes: int  # n[0] … n[L]
    at_W: int  # numbers before W[l] among the parameters
    at_b: int  # and before b[l]
    codes: int  # activations
    strides: int  # numbers from one example's A[l] to the next
    loss: int
    rule: int
    numbers: int  # address of the rule's constants, see rules.py
