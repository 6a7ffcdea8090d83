"""Networks with random weights, and ONNX files run by onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest

import gpunet as gn


class Run:
    """An ONNX file, checked and loaded."""

    def __init__(self, path):
        self.model = onnx.load(path)
        onnx.checker.check_model(self.model, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, feeds):
        names = [port.name for port in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, feeds), strict=True))

    @property
    def inputs(self):
        return {port.name: (port.type, port.shape) for port in self.session.get_inputs()}

    @property
    def outputs(self):
        return {port.name: (port.type, port.shape) for port in self.session.get_outputs()}

    @property
    def metadata(self):
        return {entry.key: entry.value for entry in self.model.metadata_props}


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


def close(found, expected):
    """Equal to 1e-6: absolutely below 1, relatively above."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.fixture(name="close")
def the_comparison():
    return close
