"""The stand-in for CuPy takes nothing that CuPy would not take."""

import inspect
import sys
from inspect import Parameter

import numpy as np
import pytest

import fake_nccl
from cupy_signatures import NAMES, SIGNATURES, attribute, documented, names, parameters_of

VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
HANDS_ON = "RawKernel.__call__"  # its keywords, to `RawKernel.kernel`


@pytest.fixture
def cupy(fake, monkeypatch):
    """The module, with NCCL."""
    module = sys.modules["cupy"]
    fake_nccl.install(module, monkeypatch)
    return module


def parameters(signature, without_self=False):
    found = list(signature.parameters.values())
    return found[1:] if without_self else found


@pytest.mark.parametrize("name", sorted(SIGNATURES.keys() - {HANDS_ON}))
def test_what_it_takes(name, cupy):
    """The same parameters in the same order, or fewer: those without a default all, and no others."""
    if name.startswith("cuda.nccl.NcclCommunicator."):
        function = getattr(fake_nccl.FakeCommunicator, name.rpartition(".")[2])
    else:
        function = attribute(cupy, name)
    is_method = inspect.isfunction(function) and "." in function.__qualname__.rpartition("<locals>.")[2]
    own = parameters(inspect.signature(function), is_method)
    namespace = {"float": float}
    exec(f"def real({SIGNATURES[name]}): pass", namespace)
    real = parameters(inspect.signature(namespace["real"]))
    assert all(one.kind not in VARIABLE for one in own)
    for place, one in enumerate(own):
        assert one.name in [other.name for other in real]
        if one.kind is not Parameter.KEYWORD_ONLY:
            assert real[place].name == one.name and real[place].kind is Parameter.POSITIONAL_OR_KEYWORD
        if one.default is not Parameter.empty:
            [default] = [other.default for other in real if other.name == one.name]
            assert one.default == default
    required = {one.name for one in real if one.default is Parameter.empty}
    assert required <= {one.name for one in own}


def test_documented_parameters():
    def first(self):
        """Stream.record(self, event=None)"""

    def second():
        """memcpyAsync(intptr_t dst, intptr_t src, size_t size, int kind, intptr_t stream)

        And more.
        """

    def third():
        """RawModule(*, str code=None, tuple options=(1, 2), jitify=None)"""

    def fourth():
        """_ndarray_base.get(self, stream=None, order='C', out=None, blocking=True)"""

    def fifth():
        """int runtimeGetVersion() except? -1"""

    def sixth():
        """runtimeGetVersion() -> int"""

    def seventh():
        """Returns a C-contiguous array."""

    assert documented(first) == ["event"]
    assert documented(second) == ["dst", "src", "size", "kind", "stream"]
    assert documented(third) == ["code", "options", "jitify"]
    assert documented(fourth) == ["stream", "order", "out", "blocking"]
    assert documented(sixth) == []
    assert documented(fifth) is documented(seventh) is documented(lambda: None) is None


def test_the_rows_of_the_table():
    assert len(set(NAMES)) == len(NAMES) and not set(NAMES) & SIGNATURES.keys()
    assert names(SIGNATURES["RawModule"])[:3] == ["code", "path", "options"]
    assert names(SIGNATURES["cuda.Event.synchronize"]) == []
    assert names(SIGNATURES[HANDS_ON]) == ["grid", "block", "args", "kwargs"]


def test_parameters_of_what_is_there():
    class Compiled:
        """Something.

        Compiled(no, signature)
        """

        def __init__(self):
            """Compiled.__init__(self, null=False, ptds=False)"""

    class Declared(Compiled):
        """Declared(int ndev, bytes commId, NcclConfig config=None)"""

    assert parameters_of(Compiled) == ["null", "ptds"]
    assert parameters_of(Declared) == ["ndev", "commId", "config"]
    assert parameters_of(lambda self, a, b=1, *, c: a) == ["a", "b", "c"]
    assert parameters_of(int.__add__) is None and parameters_of(property()) is None


ADD_ONE = 'extern "C" __global__ void add_one(float* x, int n) { if (threadIdx.x < n) x[threadIdx.x] += 1; }'


@pytest.fixture
def kernel(cupy):
    return cupy.RawModule(code=ADD_ONE).get_function("add_one")


@pytest.mark.slow
def test_kernels_take_arrays_of_the_current_device(kernel, fake):
    on_host, x = np.zeros(3, "float32"), fake.to_device(np.zeros(3, "float32"))
    kernel((0,), (32,), (x, np.int32(3)))  # CuPy launches a thread block at least
    assert np.array_equal(np.array(x), [1, 1, 1])
    with pytest.raises(TypeError, match="ndarray is no argument"):
        kernel((1,), (32,), (on_host, np.int32(3)))
    with pytest.raises(TypeError, match="tuples"):
        kernel(1, (32,), (x, np.int32(3)))
    with fake.Device(1):
        with pytest.raises(AssertionError, match="an array of device 0"):
            kernel((1,), (32,), (x, np.int32(3)))
        there = fake.to_device(on_host)
        kernel((1,), (32,), (there[1:], np.int32(2)))
        assert there[1:].device.id == 1
    with pytest.raises(AssertionError, match="an array of device 1"):
        there + 1
    with pytest.raises(AssertionError, match="fewer thread blocks"):
        kernel.kernel((6,), (32,), (x, np.int32(3)), 0, None, True)
    with pytest.raises(AssertionError):
        kernel((1,), (1025,), (x, np.int32(3)))
    with pytest.raises(AssertionError):
        kernel.max_dynamic_shared_size_bytes = 228 * 1024


def test_the_limit_of_shared_memory_is_of_a_device(kernel, fake):
    kernel.max_dynamic_shared_size_bytes = 100 * 1024
    assert kernel.max_dynamic_shared_size_bytes == 100 * 1024
    with fake.Device(1):
        assert kernel.max_dynamic_shared_size_bytes == 48 * 1024


def test_arrays_of_the_host_are_not_mixed_with_those_of_the_device(fake, cupy):
    x = fake.to_device(np.zeros(3, "float32"))
    for use in (lambda: x + np.zeros(3), lambda: np.zeros(3) + x, lambda: np.add(x, x, out=np.zeros(3))):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(ValueError, match="an array of the host"):
        x[:] = np.ones(3)
    x[1:] = fake.to_device(np.ones(2)) + np.float64(1) + 1
    assert np.array_equal(np.array(x), [0, 3, 3])


@pytest.mark.slow
def test_kernels_alone_are_captured(kernel, fake, cupy):
    x = fake.to_device(np.zeros(3, "float32"))
    stream = cupy.cuda.Stream(non_blocking=True)
    with pytest.raises(RuntimeError, match="null stream"):
        cupy.cuda.get_current_stream().begin_capture()
    with pytest.raises(AssertionError, match="current stream"):
        stream.begin_capture()
    with stream:
        stream.begin_capture()
        kernel((1,), (32,), (x, np.int32(3)))
        for use in (
            *(
                lambda: x + 1,
                lambda: x.copy(),
                lambda: x.fill(0),
                lambda: x.get(),
                lambda: x.astype("float64"),
            ),
            *(lambda: cupy.zeros(3), lambda: fake.to_device(x), lambda: x.__setitem__(0, 1)),
            *(lambda: cupy.cuda.alloc_pinned_memory(8), lambda: x.take(x), lambda: x.item()),
            lambda: cupy.cublas.gemm("N", "N", *[fake.DeviceArray((2, 2), "float32") for _ in range(3)]),
        ):
            with pytest.raises(AssertionError):
                use()
        graph = stream.end_capture()
    assert not np.array(x).any()
    for _ in range(2):
        graph.launch(cupy.cuda.get_current_stream())
    assert np.array_equal(np.array(x), [2, 2, 2])


def test_streams_and_events_belong_to_a_device(fake, cupy):
    event, stream = cupy.cuda.Event(), cupy.cuda.Stream(non_blocking=True)
    with stream:
        assert cupy.cuda.get_current_stream() is stream
        with fake.Device(1):
            assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
            with pytest.raises(RuntimeError, match="a stream of device 0"), stream:
                pass
            with pytest.raises(AssertionError, match="an event of one device"):
                event.record(cupy.cuda.Stream.null)
            event.record(stream)
        assert cupy.cuda.get_current_stream() is stream
    assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null


def test_pinned_memory_may_be_larger(cupy):
    for size, whole in ((1, 512), (512, 512), (513, 1024), (100_000, 131_072)):
        assert len(cupy.cuda.alloc_pinned_memory(size)) == whole
