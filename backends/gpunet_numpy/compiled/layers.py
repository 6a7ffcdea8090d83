"""The layers after the first: a few examples at a time with an update of each layer, or a range of a batch."""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.codes import CROSS_ENTROPY, SELF_GATED
from gpunet_numpy.compiled.dropout import drop, drop_errors
from gpunet_numpy.compiled.gemv import add, add_rows, bias_update, matrix_vector, outer_update, vector_matrix
from gpunet_numpy.compiled.intrinsics import block, cast, inlined, inner, matrix, noinline, span
from gpunet_numpy.compiled.math import (
    activate,
    activate_all,
    activate_self_gated,
    centred,
    exponentials,
    multiply_slope,
    normalized,
    output_error,
)
from gpunet_numpy.compiled.products import multiply
from gpunet_numpy.compiled.sparse import example_at

SHORT = 32  # numbers of a row


@inlined
def weights_of(network: Any, theta: Any, l: Any) -> Any:
    """``W[l]``, or the same part of a vector of slots or gradients."""
    return matrix(theta, network.at_W[l], network.sizes[l], network.sizes[l - 1])


@inlined
def biases_of(network: Any, theta: Any, l: Any) -> Any:
    """``b[l]``, likewise."""
    return span(theta, network.at_b[l], network.sizes[l])


@inlined
def rows_of(network: Any, A: Any, l: Any, r0: Any, r1: Any) -> Any:
    """Rows r0 … r1 of ``A[l]`` in a buffer of activations, or of ``δ[l]`` in one of errors: an example per row."""
    layer = matrix(A, network.at_A[l], r1, network.strides[l])
    return block(layer, r0, r1 - r0, 0, network.sizes[l])


@inlined
def stretch_of(network: Any, A: Any, l: Any, r0: Any, r1: Any) -> Any:
    """The same rows as one vector, with what lies between them."""
    stride = network.strides[l]
    return span(A, network.at_A[l] + r0 * stride, (r1 - r0) * stride)


@inner
def activate_rows(l: Any, network: Any, A: Any, slopes: Any, b: Any, r0: Any, r1: Any) -> None:
    """``Z_r ← g(Z_r + b)`` for rows of A[l], and ``slopes ← g′`` where g is self-gated.

    Short rows in one loop over all their numbers, for its own cost's sake.
    """
    noinline()
    Z = rows_of(network, A, l, r0, r1)
    if network.sizes[l] > SHORT or network.activations[l] >= SELF_GATED:
        gated = rows_of(network, slopes, l, r0, r1)
        for r in range(r1 - r0):
            activate_row(network.activations[l], Z[r], b, gated[r])
    else:
        for r in range(r1 - r0):
            add(Z[r], cast(1, b), b)
        activate_all(network.activations[l], stretch_of(network, A, l, r0, r1))


@inlined
def activate_row(activation: Any, z: Any, b: Any, slopes: Any) -> None:
    """``z ← g(z + b)`` of one example, and ``slopes ← g′(z + b)`` where g is self-gated."""
    if activation >= SELF_GATED:
        add(z, cast(1, b), b)
        activate_self_gated(activation, z, slopes)
    else:
        activate(activation, z, b)


@inner
def forward_from(first: Any, s: Any, network: Any, theta: Any, A: Any) -> None:
    """Layers `first` to L of example s from ``A[first − 1]``; ``Z[L]`` is left without its bias."""
    for l in range(first, network.L + 1):
        x, z = rows_of(network, A, l - 1, s, s + 1)[0], rows_of(network, A, l, s, s + 1)[0]
        matrix_vector(weights_of(network, theta, l), x, z)
        if l < network.L:
            activate(network.activations[l], z, biases_of(network, theta, l))


@inlined
def weight_of(data: Any, example: Any, like: Any) -> Any:
    """The weight of an example, 1 if none is given."""
    return data.weights[example] if data.weights.size != 0 else cast(1, like)


@inlined
def scale(d: Any, factor: Any) -> None:
    """``d ← factor · d``."""
    for i in range(d.size):
        d[i] = d[i] * factor


@inner
def weighted_error(network: Any, data: Any, example: Any, factor: Any, z: Any, b: Any, d: Any) -> Any:
    """``z ← a``, ``d ← factor · w ∂L/∂z`` of one example; returns w L."""
    weight = weight_of(data, example, z)
    L = output_error(network.activations[network.L], network.loss, z, b, data.Y[example], d)
    scale(d, weight * factor)
    return weight * L


@inner
def weighted_errors(
    network: Any, data: Any, start: Any, factor: Any, arrays: Any, b: Any, r0: Any, r1: Any
) -> Any:
    """The same for rows r0 … r1 of ``arrays``, ``(A, δ)``, which hold the examples from place `start` on."""
    noinline()
    A, D = arrays
    L = network.L
    Z, delta = rows_of(network, A, L, r0, r1), rows_of(network, D, L, r0, r1)
    total = 0.0
    if network.loss != CROSS_ENTROPY or network.sizes[L] > SHORT:
        for r in range(r1 - r0):
            example = example_at(start + r0 + r, data.order)
            total += weighted_error(network, data, example, factor, Z[r], b, delta[r])
        return total
    for r in range(r1 - r0):
        example = example_at(start + r0 + r, data.order)
        total += weight_of(data, example, b) * centred(Z[r], b, data.Y[example])
    exponentials(stretch_of(network, A, L, r0, r1))
    for r in range(r1 - r0):
        example = example_at(start + r0 + r, data.order)
        weight = weight_of(data, example, b)
        total += weight * normalized(Z[r], data.Y[example], delta[r])
        scale(delta[r], weight * factor)
    return total


@inner
def backward_to(last: Any, B: Any, network: Any, steps: Any, state: Any, activations: Any) -> None:
    """Layers L to `last` of B examples: each is updated once its δ has gone down, to ``δ[last − 1]`` in the end.

    There is no ``δ[0]``. `steps` are those of weights and of biases, `state` is ``(θ, v)``, `activations` ``(A, δ)``.
    """
    step_W, step_b = steps
    theta, v = state
    A, D = activations
    for l in range(network.L, last - 1, -1):
        W, delta, below = (
            weights_of(network, theta, l),
            rows_of(network, D, l, 0, B),
            rows_of(network, A, l - 1, 0, B),
        )
        if l > 1:
            errors = rows_of(network, D, l - 1, 0, B)
            for s in range(B):
                vector_matrix(delta[s], W, errors[s])
                multiply_slope(network.activations[l - 1], errors[s], below[s], below[s])
        outer_update(step_W, W, weights_of(network, v, l), delta, below)
        bias_update(step_b, biases_of(network, theta, l), biases_of(network, v, l), delta)


@inner
def later_layers(
    team: Any, network: Any, data: Any, arrays: Any, start: Any, rows: Any, scale: Any, dropout: Any
) -> Any:
    """A range of a chunk's rows from ``A[1]`` to the output and back to ``δ[1]``; the sum of w(i) L(i).

    `arrays` are all parameters but W[1], A, the slopes of self-gated activations, δ, and the thread's partial sums of
    the biases' gradients. Of `dropout`, ``(thresholds, kept, keys, m, first, whole)``, those at index l are A[l]'s, and
    the chunk's first row is column `first` of m in the batch; `whole` is written to. ``A[l]`` is left with its mask, as
    the next layer's gradients need it.
    """
    noinline()
    r0, r1 = rows
    thresholds, kept, keys, m, first, whole = dropout
    theta, A, slopes, D, bias_sums = arrays
    L, one = network.L, cast(1, theta)
    total = 0.0
    for l in range(1, L + 1):
        Z, b = rows_of(network, A, l, r0, r1), biases_of(network, theta, l)
        if l > 1:
            x = rows_of(network, A, l - 1, r0, r1)
            if thresholds[l - 1] > 0:
                for r in range(r1 - r0):
                    drop(x[r], (m, first + r0 + r, keys[l - 1]), thresholds[l - 1], kept[l - 1])
            multiply(team, one, x, 0, weights_of(network, theta, l), 1, one - one, Z)
        if l == L:
            total = weighted_errors(network, data, start, scale, (A, D), b, r0, r1)
        elif l > 1:
            activate_rows(l, network, A, slopes, b, r0, r1)
    before = bias_sums.size
    for l in range(L, 0, -1):
        delta, here = rows_of(network, D, l, r0, r1), rows_of(network, A, l, r0, r1)
        gated = rows_of(network, slopes, l, r0, r1)
        before -= network.sizes[l]
        db = span(bias_sums, before, network.sizes[l])
        short, masked = network.sizes[l] <= SHORT, l < L and thresholds[l] > 0
        if masked:
            for r in range(r1 - r0):
                place = (m, first + r0 + r, keys[l])
                dropped = place, thresholds[l], kept[l], whole
                drop_errors(network.activations[l], delta[r], here[r], gated[r], *dropped)
        elif l < L and short:
            multiply_slope(
                network.activations[l],
                stretch_of(network, D, l, r0, r1),
                stretch_of(network, A, l, r0, r1),
                stretch_of(network, slopes, l, r0, r1),
            )
        if short:
            add_rows(db, delta)
        else:
            for r in range(r1 - r0):
                if l < L and not masked:
                    multiply_slope(network.activations[l], delta[r], here[r], gated[r])
                add(db, cast(1, db), delta[r])
        if l > 1:
            below = rows_of(network, D, l - 1, r0, r1)
            multiply(team, one, delta, 0, weights_of(network, theta, l), 0, one - one, below)
    return total
