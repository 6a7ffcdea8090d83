"""Networks with random weights, and ONNX files run by onnxruntime."""

import numpy as np
import pytest

import gpunet as gn
from onnx_runs import Run, close


@pytest.fixture
def exported(tmp_path):
    """Export a network; what onnxruntime makes of it."""

    def export(network):
        network.to_onnx(tmp_path / "net.onnx")
        return Run(tmp_path / "net.onnx")

    return export


def random_network(layers, inputs=4, dtype="float32", seed=0, **options):
    """A network with random weights and biases."""
    net = gn.Network(layers, inputs=inputs, seed=seed, backend="numpy", dtype=dtype, **options)
    rng = np.random.default_rng(seed)
    net.set_parameters([(W, rng.normal(size=b.shape)) for W, b in net.parameters])
    return net


@pytest.fixture
def network():
    return random_network


@pytest.fixture
def standardizer():
    """A fitted one; the deviations differ."""

    def fitted(X, per="feature"):
        found = gn.Standardizer(per)
        found.mean = X.mean(axis=0) if per == "feature" else np.full(X.shape[1], X.mean())
        found.deviation = X.std(axis=0) if per == "feature" else np.full(X.shape[1], X.std())
        return found

    return fitted


@pytest.fixture(name="close")
def the_comparison():
    return close
