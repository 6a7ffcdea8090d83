"""A table of animals, and networks that are trained on it."""

import numpy as np

import gpunet as gn

M = 120


def rows(**more):
    rng = np.random.default_rng(0)
    size, color = rng.normal(size=M), rng.integers(3, size=M)
    words = [("red", "green", "blue")[k] for k in color]
    return {"size": size, "color": words, "weight": 5 + 2 * size + color} | more


def animals(names=("cat", "dog", "eel"), **more):
    data = rows(**more)
    limits = np.quantile(data["weight"], np.linspace(0, 1, len(names) + 1)[1:-1])
    return data | {"animal": [names[k] for k in np.searchsorted(limits, data["weight"])]}


def table(target="animal", data=None):
    drop = {"animal": "weight", "weight": ()}[target]
    data = data or (animals() if target == "animal" else rows())
    return gn.datasets.read_table(data, target=target, drop=drop)


def trained(source=None, **more):
    source = table() if source is None else source
    net = gn.Network.for_table(source, hidden=(16,), seed=0, backend="numpy")
    settings = {"optimizer": gn.Adam(0.02), "epochs": 30} | more
    return net, net.fit(source, **settings)
