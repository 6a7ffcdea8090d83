"""A network as an ONNX file: what predicts, from the inputs as they are to probabilities, values and class names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from gpunet.core.activations import ACTIVATIONS, ActivationLike
from gpunet.core.poisson import EXP
from gpunet.exchange.known import known_activations
from gpunet.exchange.onnx_columns import array_input, column_names, table_inputs
from gpunet.exchange.onnx_graph import Graph, Tensor
from gpunet.files.atomic import real_path, write_atomically
from gpunet.files.saved_network import SavedNetwork
from gpunet.paths import file_path
from gpunet.version import VERSION

# The activations that are one operator; the others write the nodes of their formula.
_OPERATORS: dict[ActivationLike, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "softmax": ("Softmax", {"axis": 1}),
}


def write_onnx(path: str | Path, saved: SavedNetwork) -> None:
    """Write a network as an ONNX file, whole or not at all; see :meth:`gpunet.Network.to_onnx`."""
    path = real_path(file_path("path", path))
    write_atomically(path, onnx_model(saved).SerializeToString())


def onnx_model(saved: SavedNetwork) -> Any:
    """The onnx.ModelProto of a network.

    Raises
    ------
    ValueError
        If an activation is the user's own, or the weights are more than such a file can hold.
    ImportError
        If onnx is not installed; the message says how to install it.
    """
    activations = known_activations(saved, "an ONNX file holds no code", also=(EXP,))
    graph, A = _inputs(saved)
    for l, ((W, b), activation) in enumerate(zip(saved.parameters, activations, strict=True), start=1):
        weights = graph.constant(W, saved.dtype, f"W{l}"), graph.constant(b[:, 0], saved.dtype, f"b{l}")
        A = _activated(graph, activation, graph.node("Gemm", A, *weights, transB=1, name=f"Z{l}"))
    names = class_names(saved)
    kind = "probabilities" if activations[-1] in ("softmax", "sigmoid") else "values"
    width = saved.parameters[-1][0].shape[0]
    if saved.target is not None and saved.target.class_names is None:
        A = graph.cast(A, "float64") * saved.target.scale + saved.target.center
        graph.output(A, kind, width, f"{saved.target.name}, in its own unit")
    else:
        graph.output(A, kind, width, "the outputs, as Network.predict gives them")
    if names is not None and _decides(saved, names, width):
        graph.output(_label(graph, A, names, width), "label", None, "the name of the predicted class")
    metadata = {"class_names": names, "feature_names": _feature_names(saved)}
    about = {name: json.dumps(found) for name, found in metadata.items() if found is not None}
    return graph.model("network", "A dense network, trained with gpunet.", VERSION, about)


def class_names(saved: SavedNetwork) -> list[str] | None:
    """Names of the classes or labels, in the order of the outputs: the target's, or those of the notes."""
    names = saved.target.class_names if saved.target is not None else saved.notes.get("class_names")
    return None if names is None else list(names)


def _decides(saved: SavedNetwork, names: list[str], width: int) -> bool:
    """Whether each row has one class, rather than values or labels that are true independently of each other."""
    classes = saved.target is not None or saved.notes.get("kind") == "classes"
    return classes and (width == len(names) or (width == 1 and len(names) == 2))


def _inputs(saved: SavedNetwork) -> tuple[Graph, Tensor]:
    """A graph with its inputs, and what the first layer gets."""
    if saved.encoder is None:
        graph = Graph(["X"])
        return graph, array_input(graph, saved.inputs, saved.standardizer, saved.dtype)
    graph = Graph(column_names(saved.encoder))
    return graph, table_inputs(graph, saved.encoder, saved.dtype)


def _activated(graph: Graph, activation: ActivationLike, Z: Tensor) -> Tensor:
    if activation in _OPERATORS:
        operator, attributes = _OPERATORS[activation]
        return graph.node(operator, Z, **attributes)
    return cast("Tensor", ACTIVATIONS[activation].forward(graph, Z))


def _label(graph: Graph, A: Tensor, names: list[str], width: int) -> Tensor:
    """The name of the largest output; of one output, the second name above ½."""
    if width == 1:
        second = graph.node("Reshape", A > 0.5, graph.constant([-1], "int64"))
        return graph.where(second, *(graph.constant(name, "str", "class name") for name in reversed(names)))
    number = graph.node("ArgMax", A, dtype="int64", axis=1, keepdims=0)
    return graph.node("Gather", graph.constant(names, "str", "class names"), number, axis=0)


def _feature_names(saved: SavedNetwork) -> list[str] | None:
    """Names of the first layer's inputs: what the encoder makes, or the columns of a DataFrame."""
    if saved.encoder is not None:
        return saved.encoder.feature_names
    columns = saved.columns or saved.notes.get("columns")
    return None if columns is None else list(columns)
