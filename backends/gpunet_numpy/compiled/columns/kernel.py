"""Batches of networks so small that calls of BLAS take longer than their products: examples as columns.

Activations are stored as the lecture writes them, ``A[l]`` ``(n[l], B)`` with an example per column: a neuron is a row
of as many numbers as there are examples, and everything is done for whole vectors of them, however few neurons there
are. A full batch stays as it is from step to step. Other batches are copied into columns, some examples at a time.
"""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.codes import CROSS_ENTROPY
from gpunet_numpy.compiled.gemv import add, copy, fill
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    flush_subnormals,
    inlined,
    inner,
    kernel,
    matrix,
    noinline,
    restore_subnormals,
    span,
)
from gpunet_numpy.compiled.layers import biases_of, scale, weights_of
from gpunet_numpy.compiled.math import activate_all, exp, log, multiply_slope, output_error
from gpunet_numpy.compiled.simd import weighted_row_sum
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.sparse import example_at
from gpunet_numpy.compiled.tiles import sum_of_squares
from gpunet_numpy.compiled.updates import penalty_factor, shrinkage, update


@kernel
def run_epoch(team: Any, network: Any, rule: Any, data: Any, buffers: Any) -> None:
    """One epoch, or several."""
    before = flush_subnormals()
    slots = buffers.state.shape[0] - 1
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    theta, v, s = buffers.state[0], buffers.state[min(1, slots)], buffers.state[slots]
    there = -1  # the first example of those in the columns, if they are a whole batch
    for step in range(data.bounds.shape[0]):
        first, last = data.bounds[step, 0], data.bounds[step, 1]
        c = data.coefficients[step]
        total, factor = 0.0, cast(1, c) / cast(last - first, c)
        for start in range(first, last, buffers.chunk):
            B = min(buffers.chunk, last - start)
            if first != there:
                take(network, data, buffers, start, B)
                there = first if last - first == B else -1
            forward(network, theta, buffers, B)
            total += errors(network, theta, buffers, B, factor)
            backward(network, theta, buffers, B, start > first)
        buffers.losses[step, 0] = total
        if rule.penalized:
            buffers.penalties[step, 0] = add_penalty(network, rule, c, theta, buffers.gradient)
        descend(network, rule, c, (theta, v, s), buffers.gradient)
    restore_subnormals(before)


@inlined
def row_of(network: Any, buffers: Any, A: Any, l: Any, j: Any, count: Any) -> Any:
    """Neuron j of layer l for the chunk's first `count` examples."""
    return span(A, network.at_A[l] + j * buffers.room, count)


@inlined
def padded(B: Any, like: Any) -> Any:
    """B numbers in whole cache lines."""
    lanes = CACHE_LINE // like.itemsize
    return -(-B // lanes) * lanes


@inner
def take(network: Any, data: Any, buffers: Any, start: Any, B: Any) -> None:
    """Examples ``start … start + B`` of the epoch as columns; 0 past the last one, up to a whole cache line."""
    noinline()
    room, Y, X = buffers.room, buffers.Y, buffers.A
    for r in range(B):
        example = example_at(start + r, data.order)
        x, y = data.X[example], data.Y[example]
        for i in range(x.size):
            X[i * room + r] = x[i]
        for k in range(y.size):
            Y[k * room + r] = y[k]
    for i in range(network.sizes[0]):
        for r in range(B, padded(B, X)):
            X[i * room + r] = cast(0, X)


@inner
def forward(network: Any, theta: Any, buffers: Any, B: Any) -> None:
    """``Z[l] = W[l] A[l−1]``, ``A[l] = g(Z[l] + b[l])``; ``Z[L]`` is left as it is, with its bias."""
    noinline()
    A, room, B = buffers.A, buffers.room, padded(B, buffers.A)
    for l in range(1, network.L + 1):
        n, m = network.sizes[l], network.sizes[l - 1]
        below = block(matrix(A, network.at_A[l - 1], m, room), 0, m, 0, B)
        W, b = weights_of(network, theta, l), biases_of(network, theta, l)
        for j in range(n):
            z = row_of(network, buffers, A, l, j, B)
            weighted_row_sum(z, cast(0, z), below, buffers.range, W[j], m)
            for r in range(B):
                z[r] += b[j]
            if l < network.L:
                activate_all(network.activations[l], z)


@inner
def errors(network: Any, theta: Any, buffers: Any, B: Any, factor: Any) -> Any:
    """``A[L]``, and ``δ[L] = factor · ∂L/∂z``; the sum of the examples' losses."""
    noinline()
    L, total = network.L, 0.0
    if network.loss == CROSS_ENTROPY:
        total = softmax_errors(network, buffers, B)
    else:
        for k in range(network.sizes[L]):
            z, d = row_of(network, buffers, buffers.A, L, k, B), row_of(network, buffers, buffers.D, L, k, B)
            y = span(buffers.Y, k * buffers.room, B)
            total += output_error(network.activations[L], network.loss, z, buffers.zeros, y, d)
    for k in range(network.sizes[L]):
        d = row_of(network, buffers, buffers.D, L, k, padded(B, buffers.D))
        scale(span(d, 0, B), factor)
        for r in range(B, d.size):
            d[r] = cast(0, d)
    return total


@inner
def softmax_errors(network: Any, buffers: Any, B: Any) -> Any:
    """Softmax and its cross-entropy: ``δ = a − y``, ``L = −yᵀ z + Σ y · log Σ e^z``, z less its largest."""
    L, n = network.L, network.sizes[network.L]
    top, total = span(buffers.sums[0], 0, B), span(buffers.sums[1], 0, B)
    copy(top, row_of(network, buffers, buffers.A, L, 0, B))
    for k in range(1, n):
        z = row_of(network, buffers, buffers.A, L, k, B)
        for r in range(B):
            top[r] = max(top[r], z[r])
    fill(total, cast(0, total))
    found = cast(0, total)
    for k in range(n):
        z, y = row_of(network, buffers, buffers.A, L, k, B), span(buffers.Y, k * buffers.room, B)
        for r in range(B):
            x = z[r] - top[r]
            found -= y[r] * x
            z[r] = exp(x)
            total[r] += z[r]
    fill(top, cast(0, top))
    for k in range(n):
        z, y = row_of(network, buffers, buffers.A, L, k, B), span(buffers.Y, k * buffers.room, B)
        d = row_of(network, buffers, buffers.D, L, k, B)
        for r in range(B):
            z[r] = z[r] / total[r]
            d[r] = z[r] - y[r]
            top[r] += y[r]
    for r in range(B):
        found += top[r] * log(total[r])
    return float(found)


@inner
def backward(network: Any, theta: Any, buffers: Any, B: Any, adds: Any) -> None:
    """Gradients, or with `adds` what the chunk adds to them; δ of all layers on the way."""
    noinline()
    room, B, column = buffers.room, padded(B, buffers.A), buffers.column
    for l in range(network.L, 0, -1):
        n, m = network.sizes[l], network.sizes[l - 1]
        D = block(matrix(buffers.D, network.at_A[l], n, room), 0, n, 0, B)
        A = block(matrix(buffers.A, network.at_A[l - 1], m, room), 0, m, 0, B)
        dW, db = weights_of(network, buffers.gradient, l), biases_of(network, buffers.gradient, l)
        for j in range(n):
            d, total = D[j], cast(0, column)
            for r in range(B):
                total += d[r]
            db[j] = db[j] + total if adds else total
            products(dW[j], d, A, adds)
        if l > 1:
            W = weights_of(network, theta, l)
            for k in range(m):
                for j in range(n):
                    column[j] = W[j][k]
                e = row_of(network, buffers, buffers.D, l - 1, k, B)
                weighted_row_sum(e, cast(0, e), D, buffers.range, column, n)
                multiply_slope(network.activations[l - 1], e, A[k], A[k])


@inner
def products(out: Any, d: Any, A: Any, adds: Any) -> None:
    """``out_k = Σ_r d_r A_kr``, four at a time: what is read of d is read once for them."""
    noinline()
    zero = cast(0, d)
    whole = out.size - out.size % 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = A[k], A[k + 1], A[k + 2], A[k + 3]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for r in range(d.size):
            s0 += d[r] * a0[r]
            s1 += d[r] * a1[r]
            s2 += d[r] * a2[r]
            s3 += d[r] * a3[r]
        if adds:
            s0, s1, s2, s3 = s0 + out[k], s1 + out[k + 1], s2 + out[k + 2], s3 + out[k + 3]
        out[k], out[k + 1], out[k + 2], out[k + 3] = s0, s1, s2, s3
    for k in range(whole, out.size):
        a, total = A[k], zero
        for r in range(d.size):
            total += d[r] * a[r]
        out[k] = total + out[k] if adds else total


@inner
def add_penalty(network: Any, rule: Any, c: Any, theta: Any, g: Any) -> Any:
    """Add an L2 penalty's gradient; returns the penalty."""
    noinline()
    total, factor = 0.0, penalty_factor(rule, c, 0)
    for l in range(1, network.L + 1):
        count = network.sizes[l] * network.sizes[l - 1]
        W = span(theta, network.at_W[l], count)
        total += 0.5 * c[c.size - 1] * sum_of_squares(W)
        if factor != 0:
            add(span(g, network.at_W[l], count), factor, W)
    return total


@inner
def descend(network: Any, rule: Any, c: Any, state: Any, g: Any) -> None:
    """One step of all parameters along their gradient g."""
    noinline()
    theta, v, s = state
    one, shrink = cast(1, c), shrinkage(rule, c)
    if shrink == one:
        update(rule, c, one, theta, v, s, g)
        return
    for l in range(1, network.L + 1):
        for at, count, left in (
            (network.at_W[l], network.sizes[l] * network.sizes[l - 1], shrink),
            (network.at_b[l], network.sizes[l], one),
        ):
            some = span(theta, at, count), span(v, at, count), span(s, at, count)
            update(rule, c, left, *some, span(g, at, count))
