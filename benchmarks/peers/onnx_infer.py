"""onnxruntime on a network of Gemm nodes; it does not train."""

from __future__ import annotations

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.base import BaseImplementation

NODE = {"sigmoid": "Sigmoid", "relu": "Relu", "softmax": "Softmax"}


class Implementation(BaseImplementation):
    def reset(self):
        nodes, constants, flow = [], [], "X"
        for l, ((W, b), name) in enumerate(
            zip(self.architecture.initial_parameters(), self.architecture.activations, strict=True)
        ):
            constants += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(b[:, 0], f"b{l}")]
            nodes.append(helper.make_node("Gemm", [flow, f"W{l}", f"b{l}"], [f"Z{l}"], transB=1))
            nodes.append(helper.make_node(NODE[name], [f"Z{l}"], [f"A{l}"]))
            flow = f"A{l}"

        def rows(name, n):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["m", n])

        graph = helper.make_graph(
            nodes,
            "network",
            [rows("X", self.architecture.sizes[0])],
            [rows(flow, self.architecture.sizes[-1])],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.settings.threads
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, rows):
        return self.session.run(None, {"X": rows})[0]
