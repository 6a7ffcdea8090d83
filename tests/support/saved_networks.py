"""A network with everything that a file can hold."""

import numpy as np

import gpunet as gn

M, N, K = 8, 3, 2


def data():
    return np.random.default_rng(0).normal(size=(M, N)).astype("float32"), np.arange(M) % K


def network(backend="numpy", dtype="float32"):
    """A trained network with everything that a file can hold."""
    net = gn.Network(
        [
            gn.Dense(4, "tanh", "glorot_uniform"),
            gn.Dropout(0.25),
            gn.Dense(K, "softmax", lambda rng, o, i: 0.1),
        ],
        seed=5,
        backend=backend,
        dtype=dtype,
        standardizer=gn.Standardizer("set"),
    )
    net.fit(*data(), epochs=2, batch_size=None)
    net.notes["classes"] = ["cat", "dog"]
    return net


def same(net, other):
    return all(
        np.array_equal(net.placement.backend.to_host(a), other.placement.backend.to_host(b))
        for pair, twin in zip(net.parameters, other.parameters, strict=True)
        for a, b in zip(pair, twin, strict=True)
    )
