"""ONNX files run by onnxruntime."""

import numpy as np
import onnx
import onnxruntime


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


def close(found, expected):
    """Equal to 1e-6: absolutely below 1, relatively above."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
