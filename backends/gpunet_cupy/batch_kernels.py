"""The kernels of ``kernels/batches`` for a plan: which there are, and the macros with which they are compiled."""

from __future__ import annotations

from typing import Any

from gpunet.core.plan import Plan
from gpunet_cupy.products import Products
from gpunet_cupy.sources import THREADS, KernelOfX, Macro, module
from gpunet_cupy.support import network_macros, update_macros

WARP = 32
MAX_OUTPUTS = 32  # of the network, for the kernel that computes the last layer in one pass
MAX_REGISTERS = 80  # for the last layer's weights, in each thread of that kernel
SUM_WIDTH = 32  # as in kernels/batches/update.cu


def vector(n: int) -> int:
    """Values per thread, for rows of n values."""
    return 1 if n % 4 else 4


def output_group(plan: Plan) -> int | None:
    """Threads per example in the kernel of the last layer; None where its weights do not fit into registers."""
    below, outputs = plan.layers[-1].inputs, plan.layers[-1].units
    groups = [group for group in (WARP, THREADS) if -(-below // group) * outputs <= MAX_REGISTERS]
    return None if len(plan.layers) == 1 or outputs > MAX_OUTPUTS or not groups else groups[0]


def activation_macros(plan: Plan) -> list[str]:
    """The macro of each layer's activation."""
    return [str(name).upper() for name in plan.activations]


def dropout_macros(plan: Plan, l: int) -> dict[str, Macro]:
    """What kernels need to drop inputs of the layer with index l; none are dropped where there is no such layer."""
    rate = plan.layers[l].dropout if l < len(plan.layers) else 0.0
    # As gpunet.core.dropout rounds it.
    return {
        "DROPOUT": round(rate * (1 << 24)),
        "DROPOUT_KEPT": 1.0 / (1.0 - rate),
        "LAYERS": len(plan.layers),
    }


def gather_macros(plan: Plan) -> dict[str, Macro]:
    """Macros of ``gather.cu``, besides those of the products and of X."""
    n0 = plan.layers[0].inputs
    return {"INPUTS": n0, "VECTOR": vector(n0), **dropout_macros(plan, 0)}


def hidden_layer_macros(plan: Plan, l: int) -> dict[str, Macro]:
    """Macros of ``hidden_layer.cu`` for the layer with index l, likewise; as last layer, it only adds up δ."""
    last = l == len(plan.layers) - 1
    units = plan.layers[l].units
    return {
        "UNITS": units,
        "ACTIVATION": "IDENTITY" if last else activation_macros(plan)[l],
        "VECTOR": vector(units),
        "DROPOUT_LAYER": l + 1,
        **dropout_macros(plan, l + 1),
    }


def output_delta_macros(plan: Plan) -> dict[str, Macro]:
    """Macros of ``output_delta.cu``."""
    return {
        "UNITS": plan.layers[-1].units,
        "ACTIVATION": activation_macros(plan)[-1],
        "LOSS": str(plan.loss).upper(),
    }


def output_layer_macros(plan: Plan, group: int) -> dict[str, Macro]:
    """Macros of ``output_layer.cu`` with `group` threads per example, besides those of the products."""
    last, names = plan.layers[-1], activation_macros(plan)
    return {
        "UNITS_BELOW": last.inputs,
        "ACTIVATION_BELOW": names[-2],
        "OUTPUTS": last.units,
        "ACTIVATION": names[-1],
        "LOSS": str(plan.loss).upper(),
        "THREADS": THREADS,
        "GROUP": group,
        **dropout_macros(plan, len(plan.layers) - 1),
    }


def update_grid(plan: Plan, top: int) -> tuple[int, int]:
    """Thread blocks of ``update.cu`` for the weights of the first `top` layers, and for all parameters."""
    sizes = [layer.weights for layer in plan.layers]
    per_thread = 4 if all(layer.inputs % 4 == 0 for layer in plan.layers[:top]) else 1
    weight_blocks = -(-(sum(sizes[:top]) // per_thread) // THREADS)
    others = sum(sizes[top:]) + sum(layer.units for layer in plan.layers)
    return weight_blocks, weight_blocks + -(-others // SUM_WIDTH)


def update_kernel_macros(plan: Plan, top: int, partials: int) -> dict[str, Macro]:
    """Macros of ``update.cu``, besides those of the products, of which the first `top` layers have some."""
    return {
        **network_macros(plan),
        **update_macros(plan),
        "PRODUCTS": top,
        "PARTIALS": partials,
        "PARAMETER_BLOCKS": update_grid(plan, top)[1],
        "THREADS": THREADS,
        "CLIP_NORM": float(plan.optimizer.clip_norm or 0.0),
    }


class BatchKernels:
    """The kernels of a plan.

    Parameters
    ----------
    plan : Plan
    products : Products
        What they stand between.

    Attributes
    ----------
    group : int or None
        Threads per example of `output_layer`; None where `output_delta` takes its place.
    weight_blocks, parameter_blocks : int
        Thread blocks of `split_weights`, and of `square_gradient` and `square_weights`; `update` has one more.
    """

    def __init__(self, plan: Plan, products: Products) -> None:
        def get(file: str, macros: dict[str, Macro], *kernels: str) -> list[Any]:
            compiled = module(plan.dtype, f"batches/{file}", **products.macros(), **macros)
            return [compiled.get_function(kernel) for kernel in kernels]

        self.group = output_group(plan)
        self.gather = KernelOfX(
            plan.dtype, "batches/gather.cu", "gather", **products.macros(), **gather_macros(plan)
        )
        hidden = [
            get("hidden_layer.cu", hidden_layer_macros(plan, l), "forward", "backward")
            for l in range(len(plan.layers))
        ]
        self.forward, self.backward = ([pair[i] for pair in hidden] for i in range(2))
        if self.group is None:
            [self.output_delta] = get("output_delta.cu", output_delta_macros(plan), "output_delta")
        else:
            [self.output_layer] = get(
                "output_layer.cu", output_layer_macros(plan, self.group), "output_layer"
            )
        self.weight_blocks, self.parameter_blocks = update_grid(plan, products.layers)
        self.update, self.square_gradient, self.square_weights, self.split_weights, self.advance_base = get(
            "update.cu",
            update_kernel_macros(plan, products.layers, products.partials),
            *("update", "square_gradient", "square_weights", "split_weights", "advance_base"),
        )
