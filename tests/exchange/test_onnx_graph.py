"""Nodes, names and dtypes of a graph in the making."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from gpunet.exchange.onnx_graph import Graph, Port


@pytest.fixture
def graph():
    return Graph(["x", "Add"])


def nodes(graph):
    return list(graph.model("name", "about", "1", {}).graph.node)


def test_names(graph):
    """An input's name is taken before there is one; what recurs is numbered."""
    x = graph.input(Port("x", "float32", 3, "a number"))
    found = [x + 1.0, x + 2.0, graph.node("Neg", x, name="x"), graph.constant(1.0, "float32", "x")]
    assert [tensor.name for tensor in found] == ["Add 2", "Add 3", "x 2", "x 3"]
    assert (
        [node.name for node in nodes(graph)]
        == [node.output[0] for node in nodes(graph)]
        == ["Add 2", "Add 3", "x 2"]
    )
    assert [node.op_type for node in nodes(graph)] == ["Add", "Add", "Neg"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(graph, dtype):
    """A number becomes a constant of the tensor's dtype; comparisons are booleans."""
    x = graph.input(Port("x", dtype, 3, ""))
    for tensor in (
        x + 1,
        1 + x,
        x - 1,
        2 * x,
        x * 2,
        x / 2,
        -x,
        graph.maximum(x, 0),
        graph.where(x > 0, 1.0, x),
    ):
        assert tensor.dtype == dtype
    for tensor in (x > 0, x >= 0, x <= 0):
        assert tensor.dtype == "bool"
    assert graph.cast(x, dtype) is x
    assert graph.cast(x > 0, dtype).dtype == dtype
    kinds = {numpy_helper.to_array(one).dtype for one in graph.model("", "", "", {}).graph.initializer}
    assert kinds == {np.dtype(dtype)}


def test_model(graph):
    x = graph.input(Port("x", "str", 1, "a word"))
    graph.output(x, "Add", None, "the same word")
    graph.output(graph.node("Shape", x, dtype="int64"), "size", 2, "rows and columns")
    model = graph.model("the graph", "what it is", "1.2", {"key": "value"})
    assert (model.doc_string, model.producer_name, model.producer_version) == ("what it is", "gpunet", "1.2")
    assert (model.graph.name, model.metadata_props[0].key, model.metadata_props[0].value) == (
        "the graph",
        "key",
        "value",
    )
    (port,) = model.graph.input
    assert (port.name, port.doc_string, port.type.tensor_type.elem_type) == (
        "x",
        "a word",
        TensorProto.STRING,
    )
    ports = [(one.name, one.type.tensor_type.elem_type, one.doc_string) for one in model.graph.output]
    assert ports == [
        ("Add 2", TensorProto.STRING, "the same word"),
        ("size", TensorProto.INT64, "rows and columns"),
    ]
    shapes = [
        [d.dim_param or d.dim_value for d in one.type.tensor_type.shape.dim] for one in model.graph.output
    ]
    assert shapes == [["rows"], ["rows", 2]]


def test_text_constants(graph):
    graph.constant(["one", "zwölf"], "str", "words")
    (words,) = graph.model("", "", "", {}).graph.initializer
    assert numpy_helper.to_array(words).tolist() == ["one", "zwölf"]
