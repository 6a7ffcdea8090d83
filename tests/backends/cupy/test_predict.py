"""Prediction on a GPU gives what the reference formulas give, for rows on the device and on the host."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import array_api_compat.numpy as xp
import numpy as np
import pytest

import cuda_on_cpu
import gpunet as gn
from gpunet.core.activations import Activation
from gpunet.core.propagation import forward
from gpunet_cupy import predict as predict_module
from gpunet_cupy.predict import FEW, Predictor, supports
from gpunet_cupy.sources import source
from random_plans import DESCENTS, NETWORKS, draw, map_arrays, plan_of

pytestmark = pytest.mark.slow

TOLERANCES = {"float32": 3e-5, "float64": 1e-12}
BATCHES = (1, 2, 5, FEW, FEW + 1, 75)


def drawn(network, dtype="float32", inputs=11):
    """A network's plan, its parameters and rows."""
    plan = plan_of(network, DESCENTS["plain"], 1, dtype, inputs=inputs)
    state, epoch = draw(plan)
    return plan, state.parameters, np.ascontiguousarray(epoch.X.T)


@pytest.fixture
def predictor(fake):
    def make(plan, parameters):
        assert supports(plan.activations, parameters)
        return Predictor(list(plan.activations), map_arrays(fake.to_device, parameters))

    return make


def expected(plan, parameters, rows):
    wide = map_arrays(lambda a: a.astype("float64"), parameters)
    with np.errstate(all="ignore"):
        return forward(xp, plan.activations, wide, rows.T.astype("float64"))[0].T


@pytest.mark.parametrize(
    ("inputs", "dtype", "thread_order"),
    [  # two of them have all pairs
        (11, "float32", "ascending"),
        (11, "float64", "descending"),
        (132, "float32", "descending"),
        (132, "float64", "ascending"),
    ],
    indirect=["thread_order"],
)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network(network, inputs, dtype, fake, predictor, thread_order):
    plan, parameters, rows = drawn(network, dtype, inputs)
    predict = predictor(plan, parameters)
    wanted, near = expected(plan, parameters, rows), {"rtol": TOLERANCES[dtype], "atol": TOLERANCES[dtype]}
    for m in BATCHES:
        on_device = predict(fake.to_device(rows[:m]))
        assert isinstance(on_device, fake.DeviceArray)
        for found in (on_device, predict.from_host(rows[:m])):
            assert found.dtype == dtype
            np.testing.assert_allclose(np.asarray(found), wanted[:m], **near)


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value, zero, fake, predictor):
    """Also where the weights are 0, or the activation would hide it."""
    for network in ("linear", "softmax", "wide", "relu-tanh-sigmoid"):
        plan, parameters, rows = drawn(network)
        if zero:
            parameters[0][0][:, 3] = 0
        predict = predictor(plan, parameters)
        for m in BATCHES:
            spoiled = rows[:m].copy()
            spoiled[m - 1, 3] = value
            with np.errstate(all="ignore"):
                assert predict(fake.to_device(spoiled)) is None
                assert predict.from_host(spoiled) is None
            assert np.isfinite(predict.from_host(rows[:m])).all()  # the next ones are taken again


def test_overflow_in_a_later_layer_is_no_bad_input(fake, predictor):
    """As without a forward pass of the backend's own: only what is given must be finite."""
    for network in ("relu-tanh-sigmoid", "three-hidden"):
        plan, parameters, rows = drawn(network)
        parameters[0] = (np.abs(parameters[0][0]), parameters[0][1])
        parameters[1] = (np.full_like(parameters[1][0], 3e38), parameters[1][1])
        predict = predictor(plan, parameters)
        for m in BATCHES:
            with np.errstate(all="ignore"):
                assert predict.from_host(np.abs(rows[:m])) is not None


def test_rows_in_chunks(fake, predictor, monkeypatch):
    monkeypatch.setattr(predict_module, "CHUNK", 40)
    plan, parameters, rows = drawn("three-hidden")
    found = predictor(plan, parameters)(fake.to_device(rows))
    np.testing.assert_allclose(np.asarray(found), expected(plan, parameters, rows), rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("network", ["relu-tanh-sigmoid", "softmax", "deep-absolute"])
def test_more_rows_than_thread_blocks(network, fake, predictor, monkeypatch, thread_order):
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 2)
    monkeypatch.setattr(predict_module, "BLOCKS_EACH", 1)
    plan, parameters, rows = drawn(network)
    predict = predictor(plan, parameters)
    for m in (FEW, 75):
        found = predict.from_host(rows[:m])
        np.testing.assert_allclose(found, expected(plan, parameters, rows[:m]), rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_last_layer_that_does_not_fit_into_shared_memory(network, fake, predictor, monkeypatch):
    monkeypatch.setattr(predict_module, "MAX_SHARED", 0)
    plan, parameters, rows = drawn(network)
    predict = predictor(plan, parameters)
    assert predict.many.output is None
    found = predict.from_host(rows)
    np.testing.assert_allclose(found, expected(plan, parameters, rows), rtol=3e-5, atol=3e-5)
    spoiled = rows.copy()
    spoiled[50, 2] = np.inf
    with np.errstate(all="ignore"):
        assert predict.from_host(spoiled) is None


def test_more_outputs_than_fit_into_shared_memory(fake, predictor, monkeypatch):
    monkeypatch.setattr(predict_module, "MAX_OUTPUTS", 34)
    plan, parameters, rows = drawn("softmax")
    found = predictor(plan, parameters).from_host(rows[:3])
    np.testing.assert_allclose(found, expected(plan, parameters, rows[:3]), rtol=3e-5, atol=3e-5)


def test_arrays_that_are_not_contiguous(fake, predictor):
    plan, parameters, rows = drawn("three-hidden")
    predict = predictor(plan, [(np.asfortranarray(W), np.repeat(b, 2, axis=1)[:, :1]) for W, b in parameters])
    wanted = expected(plan, parameters, rows[:6])
    for X in (rows[:12:2], np.asfortranarray(rows[:6])):
        wanted = expected(plan, parameters, X)
        for found in (predict(X.view(fake.DeviceArray)), predict.from_host(X)):
            np.testing.assert_allclose(np.asarray(found), wanted, rtol=3e-5, atol=3e-5)


def test_results_are_the_caller_s_own(fake, predictor):
    plan, parameters, rows = drawn("wide")
    predict = predictor(plan, parameters)
    first = predict.from_host(rows[:2])
    kept = first.copy()
    predict.from_host(rows[2:4])
    assert np.array_equal(first, kept)


def test_threads_take_turns(fake, predictor):
    plan, parameters, rows = drawn("relu-tanh-sigmoid")
    predict, wanted = predictor(plan, parameters), expected(plan, parameters, rows)

    def check(i):
        m = 1 + i % 3
        return np.allclose(predict.from_host(rows[i : i + m]), wanted[i : i + m], rtol=3e-5, atol=3e-5)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(check, range(40)))


def test_all_work_is_done_on_the_device_of_the_weights(fake, monkeypatch):
    """Kernels are compiled for it, and launched on it."""
    used = set()
    kernel = cuda_on_cpu.Kernel.kernel

    def recorded(self, *arguments):
        used.add(fake.current_device())
        return kernel(self, *arguments)

    monkeypatch.setattr(cuda_on_cpu.Kernel, "kernel", recorded)
    plan, parameters, rows = drawn("wide")
    with fake.Device(1):
        parameters, rows_there = map_arrays(fake.to_device, (parameters, rows))
    predict = Predictor(list(plan.activations), parameters)
    for m in (1, FEW + 1):
        predict.from_host(rows[:m])
        predict(rows_there[:m])
    assert used == {1} and fake.CURRENT.devices == []
    assert {name: device for name, device in fake.COMPILED} == dict.fromkeys(
        ("few_rows", "activate_rows", "softmax_rows", "output_rows"), 1
    )


def test_copies(fake, predictor):
    plan, parameters, rows = drawn("wide")
    predict = predictor(plan, parameters)
    wanted = predict.from_host(rows[:2])
    assert np.array_equal(copy.deepcopy(predict).from_host(rows[:2]), wanted)
    assert pickle.loads(pickle.dumps(predict)).activations == predict.activations


def test_the_kernel_s_parameters_are_as_large_as_the_dtype_says(cpu):
    macros = predict_module.FEW_ROWS_MACROS
    for dtype in TOLERANCES:
        kernel = cpu.RawModule(code=source(dtype, "predict/few_rows.cu", **macros)).get_function("few_rows")
        fields = predict_module.PARAMETERS
        assert kernel.sizes == [fields[name].itemsize for name in fields.names]


def test_networks_without_kernels(fake):
    backend = gn.devices.registry.load_backend("cupy")
    one = np.ones((2, 2), "float32"), np.ones((2, 1), "float32")
    own = Activation("own", lambda xp, Z: Z, lambda xp, dA, Z, A: dA)
    for activations in (("gelu", "softmax"), ("softmax", "softmax"), ("relu", "mish"), (own, "softmax")):
        assert backend.predictor(activations, [one, one]) is None
    assert backend.predictor(("relu",) * 17, [one] * 17) is None
    parameters = map_arrays(fake.to_device, [one, one])
    assert isinstance(backend.predictor(("relu", "softmax"), parameters), Predictor)
