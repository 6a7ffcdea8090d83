"""A small network and its data, for tests of what runs on every backend."""

import numpy as np

import gpunet as gn

M, N, K = 12, 3, 4


def small_data(rng):
    return rng.normal(size=(M, N)).astype("float32"), np.arange(M) % K


def network(backend, *layers, inputs=N, **more):
    layers = layers or (gn.Dense(5, "tanh"), gn.Dense(K, "softmax"))
    name = backend if isinstance(backend, str) else backend.name
    return gn.Network(list(layers), inputs=inputs, backend=name, **({"seed": 0} | more))


def host(net):
    fetch = net.placement.backend.to_host
    return [np.array(fetch(p)) for pair in net.parameters for p in pair]


def same(net, other):
    return all(np.array_equal(a, b) for a, b in zip(host(net), host(other), strict=True))


def close(net, other, rtol=1e-4):
    for a, b in zip(host(net), host(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)
