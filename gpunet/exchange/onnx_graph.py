"""An ONNX graph, written node by node: each operation adds one and returns the name of its result.

The operations are called as in the Array API, so that the formulas of :mod:`gpunet.core` write their own nodes: this
class is the namespace ``xp`` that they get, and a :class:`Tensor` is the array.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gpunet.exchange.libraries import onnx

# Operators that onnxruntime 1.20 and later runs, for float32 and float64 alike.
OPSET, OPSET_ML, IR_VERSION = 17, 3, 8
MOST_BYTES = 2**31 - 2**20  # a protobuf message has less than 2 GiB; the rest is for all that is no number


class Tensor:
    """A tensor of a graph: its name, its dtype, and the operators of arithmetic.

    Parameters
    ----------
    graph : Graph
    name : str
    dtype : str
        "float32", "float64", "int64", "bool" or "str".
    """

    def __init__(self, graph: Graph, name: str, dtype: str) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def __add__(self, other: Operand) -> Tensor:
        return self.graph.node("Add", self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return self.graph.node("Add", other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return self.graph.node("Sub", self, other)

    def __mul__(self, other: Operand) -> Tensor:
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.graph.node("Div", self, other)

    def __neg__(self) -> Tensor:
        return self.graph.node("Neg", self)

    def __gt__(self, other: Operand) -> Tensor:
        return self.graph.node("Greater", self, other, dtype="bool")

    def __ge__(self, other: Operand) -> Tensor:
        return self.graph.node("GreaterOrEqual", self, other, dtype="bool")

    def __le__(self, other: Operand) -> Tensor:
        return self.graph.node("LessOrEqual", self, other, dtype="bool")


Operand = Any  # a Tensor, or a number or array that becomes a constant of the other operand's dtype


class Port(NamedTuple):
    """An input or output of the whole graph: rows, as many as there are."""

    name: str
    dtype: str
    width: int | None  # columns; None for a tensor of one axis
    about: str


class Graph:
    """Nodes, constants, inputs and outputs; and the Array API functions that :mod:`gpunet.core` calls.

    Parameters
    ----------
    inputs : iterable of str
        Names of all inputs to come: no other tensor may be called so.
    """

    def __init__(self, inputs: Iterable[str]) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names = set(inputs)
        self._bytes = 0
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []

    # --- building -------------------------------------------------------------------------------

    def input(self, port: Port) -> Tensor:
        """A new input."""
        self.inputs.append(port)
        return Tensor(self, port.name, port.dtype)

    def output(self, tensor: Tensor, name: str, width: int | None, about: str) -> None:
        """Make a tensor an output, called `name`; ``name 2`` where an input is called so."""
        name = self._free_name(name)
        self._append("Identity", [tensor.name], name, {})
        self.outputs.append(Port(name, tensor.dtype, width, about))

    def constant(self, values: Any, dtype: str, name: str = "constant") -> Tensor:
        """A constant of any shape."""
        array = np.asarray(values, dtype)
        self._bytes += array.nbytes
        if self._bytes > MOST_BYTES:
            raise ValueError(
                "an ONNX file holds less than 2 GiB, and the numbers of this network take at least "
                f"{self._bytes / 2**30:.2f} GiB: save it with Network.save, or give it narrower layers"
            )
        name = self._free_name(name)
        self._constants.append(onnx().numpy_helper.from_array(array, name))
        return Tensor(self, name, dtype)

    def node(
        self,
        operator: str,
        *operands: Operand,
        dtype: str | None = None,
        domain: str = "",
        name: str | None = None,
        **attributes: Any,
    ) -> Tensor:
        """The result of one operator; its dtype is that of its operands unless `dtype` is another."""
        kind = next(operand.dtype for operand in operands if isinstance(operand, Tensor))
        inputs = [
            operand if isinstance(operand, Tensor) else self.constant(operand, kind) for operand in operands
        ]
        result = self._free_name(name or operator)
        self._append(operator, [tensor.name for tensor in inputs], result, {"domain": domain, **attributes})
        return Tensor(self, result, dtype or kind)

    def _free_name(self, name: str) -> str:
        """`name`, or the first of ``name 2``, ``name 3``, … that nothing is called yet."""
        found, count = name, 2
        while found in self._names:
            found, count = f"{name} {count}", count + 1
        self._names.add(found)
        return found

    def _append(self, operator: str, inputs: list[str], result: str, attributes: dict[str, Any]) -> None:
        self._nodes.append(onnx().helper.make_node(operator, inputs, [result], name=result, **attributes))

    # --- what the formulas call -----------------------------------------------------------------

    def abs(self, x: Tensor) -> Tensor:
        """``|x|``."""
        return self.node("Abs", x)

    def exp(self, x: Tensor) -> Tensor:
        """``e^x``."""
        return self.node("Exp", x)

    def expm1(self, x: Tensor) -> Tensor:
        """``e^x − 1 = tanh(x/2) (e^x + 1)``, exact near 0; ONNX has no operator for it."""
        return self.tanh(0.5 * x) * (self.exp(x) + 1.0)

    def log1p(self, x: Tensor) -> Tensor:
        """``log(1 + x)``; ONNX has no operator that is more exact near 0."""
        return self.node("Log", 1.0 + x)

    def tanh(self, x: Tensor) -> Tensor:
        """``tanh x``."""
        return self.node("Tanh", x)

    def maximum(self, x: Tensor, y: Operand) -> Tensor:
        """The larger of each pair."""
        return self.node("Max", x, y)

    def minimum(self, x: Tensor, y: Operand) -> Tensor:
        """The smaller of each pair."""
        return self.node("Min", x, y)

    def where(self, condition: Tensor, x: Operand, y: Operand) -> Tensor:
        """``x`` where the condition is true, else ``y``; one of both is a tensor."""
        kind = x.dtype if isinstance(x, Tensor) else y.dtype
        chosen = [one if isinstance(one, Tensor) else self.constant(one, kind) for one in (x, y)]
        return self.node("Where", condition, *chosen, dtype=kind)

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """The same numbers in another dtype."""
        return x if x.dtype == dtype else self.node("Cast", x, dtype=dtype, to=_element_type(dtype))

    # --- the file -------------------------------------------------------------------------------

    def model(self, name: str, about: str, version: str, metadata: dict[str, str]) -> Any:
        """The whole as an onnx.ModelProto."""
        helper = onnx().helper
        graph = helper.make_graph(
            self._nodes, name, *([_value_info(port) for port in ports] for ports in (self.inputs, self.outputs)),
            self._constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="gpunet",
            producer_version=version,
            doc_string=about,
        )
        helper.set_model_props(model, metadata)
        return model


def _element_type(dtype: str) -> int:
    return int(onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value_info(port: Port) -> Any:
    shape = ["rows"] if port.width is None else ["rows", port.width]
    kind = _element_type(port.dtype)
    return onnx().helper.make_tensor_value_info(port.name, kind, shape, port.about)
