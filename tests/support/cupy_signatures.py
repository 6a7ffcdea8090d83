"""What gpunet calls in CuPy, by its name there, with the parameters that it has there: CuPy 14.0 to 14.2.

`fake_cupy` and `fake_nccl` may take less, and nothing else. With a GPU, CuPy itself is compared with this table.
"""

import inspect
import re

SIGNATURES = {
    "empty": "shape, dtype=float, order='C'",
    "zeros": "shape, dtype=float, order='C'",
    "ascontiguousarray": "a, dtype=None",
    "ndarray.copy": "order='C'",
    "ndarray.fill": "value",
    "ndarray.get": "stream=None, order='C', out=None, blocking=True",
    "RawModule": (
        "*, code=None, path=None, options=(), backend='nvrtc', translate_cucomplex=False, "
        "enable_cooperative_groups=False, name_expressions=None, jitify=None"
    ),
    "RawModule.get_function": "name",
    "RawKernel.__call__": "grid, block, args, **kwargs",
    # RawKernel.kernel, a property, is a cuda.Function.
    "RawKernel.kernel": "grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False",
    "cublas.gemm": "transa, transb, a, b, out=None, alpha=1.0, beta=0.0",
    "cuda.Device": "device=None",
    "cuda.Event": "block=False, disable_timing=False, interprocess=False",
    "cuda.Event.record": "stream=None",
    "cuda.Event.synchronize": "",
    "cuda.Graph.launch": "stream=None",
    "cuda.Stream": "null=False, non_blocking=False, ptds=False, priority=None",
    "cuda.Stream.begin_capture": "mode=None",
    "cuda.Stream.end_capture": "",
    "cuda.Stream.record": "event=None",
    "cuda.Stream.synchronize": "",
    "cuda.Stream.wait_event": "event",
    "cuda.alloc_pinned_memory": "size",
    "cuda.cublas.CUBLASError": "status",
    "cuda.function.CPointer": "p=0",
    "cuda.get_current_stream": "device_id=-1",
    "cuda.runtime.deviceGetPCIBusId": "device",
    "cuda.runtime.eventQuery": "event",
    "cuda.runtime.memcpyAsync": "dst, src, size, kind, stream",
    "cuda.runtime.runtimeGetVersion": "",
    "cuda.nccl.NcclCommunicator": "ndev, commId, rank, config=None",
    "cuda.nccl.NcclCommunicator.check_async_error": "",
    "cuda.nccl.NcclCommunicator.recv": "recvbuf, count, datatype, peer, stream",
    "cuda.nccl.NcclCommunicator.send": "sendbuf, count, datatype, peer, stream",
    "cuda.nccl.NcclError": "status",
    "cuda.nccl.get_build_version": "",
    "cuda.nccl.get_unique_id": "",
    "cuda.nccl.get_version": "",
    "cuda.nccl.groupEnd": "",
    "cuda.nccl.groupStart": "",
}
# Of these, the stand-ins have nothing to compare: they are put in the place of what calls them, or are properties.
NAMES = [
    *(
        "asarray",
        "get_default_memory_pool",
        "ndarray.base",
        "ndarray.data",
        "ndarray.device",
        "ndarray.flags",
    ),
    *("RawKernel.max_dynamic_shared_size_bytes", "cuda.Device.attributes", "cuda.Device.compute_capability"),
    *("cuda.Event.done", "cuda.device.get_cublas_handle", "cuda.is_available", "cuda.runtime.getDevice"),
    *("cuda.runtime.getDeviceCount", "cuda.runtime.memcpyDeviceToHost", "cuda.runtime.memcpyHostToDevice"),
    *("cuda.nccl.NCCL_FLOAT32", "cuda.nccl.NCCL_FLOAT64", "cuda.nccl.available"),
]


def attribute(module, name):
    """What has a name such as ``cuda.Stream.record`` in CuPy, or in the module in its place."""
    for part in name.split("."):
        module = getattr(module, part)
    return module


def names(signature):
    """The names of the parameters of a row of the table."""
    return [part.partition("=")[0].strip(" *") for part in signature.split(", ") if part.strip("*")]


def parameters_of(function):
    """The names of the parameters of a function or class of CuPy; None where there is no way to know them."""
    if inspect.isfunction(function):
        return [name for name in inspect.signature(function).parameters if name != "self"]
    known = documented(function)
    return documented(function.__init__) if known is None and inspect.isclass(function) else known


def documented(function):
    """The names of a compiled function's parameters, from the first line of its documentation; None without one.

    Such a line is ``Stream.record(self, event=None)`` or ``memcpyAsync(intptr_t dst, …, int kind, intptr_t stream)``.
    """
    line = (function.__doc__ or "").strip().partition("\n")[0]
    found = re.fullmatch(r"[\w.]*\w\((.*)\)(?: *->.*)?", line)
    if found is None:
        return None
    parameters = [part.partition("=")[0].split() for part in re.split(r",\s*(?![^()]*\))", found[1])]
    return [
        words[-1].lstrip("*\\") for words in parameters if words and words[-1] not in ("self", "*", "\\*")
    ]
