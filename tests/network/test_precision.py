"""The precision of training: what is refused, what programs and libraries are told, what the history says."""

import re
from contextlib import contextmanager

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import PRECISIONS

CPU_BACKENDS = ["numpy", "readonly", "strict", "torch", pytest.param("jax", marks=pytest.mark.slow)]
X = np.linspace(-1, 1, 40, dtype="float32").reshape(20, 2)
Y = np.arange(20) % 2


def usable(name):
    """The backend called `name`, or a skip."""
    try:
        return gn.get_backend(name)
    except gn.BackendUnavailable as error:
        pytest.skip(str(error))


def network(backend="numpy", dtype="float32"):
    return gn.Network([gn.Dense(3, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend=backend, dtype=dtype)


def first_weights(net):
    return np.asarray(net.placement.backend.to_host(net.parameters[0][0]))


def test_float32_is_the_default(backend):
    default, named = network(backend.name), network(backend.name)
    histories = default.fit(X, Y, epochs=2), named.fit(X, Y, epochs=2, precision="float32")
    assert [history.precision for history in histories] == ["float32"] * 2
    assert np.array_equal(first_weights(default), first_weights(named))


@pytest.mark.parametrize("name", CPU_BACKENDS)
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_what_a_device_does_not_have_is_refused(name, precision):
    backend = usable(name)
    if backend.devices()[0] != "cpu":
        pytest.skip(f"{name} is on a GPU")
    net = network(name)
    offers = f"backend '{name}' on cpu offers float32. It needs matrix units: cupy, torch or jax"
    with pytest.raises(ValueError, match=re.escape(offers)):
        net.fit(X, Y, precision=precision)
    assert net.inputs is None and net.epochs_trained == 0, "fit has changed the network"


def test_names():
    with pytest.raises(ValueError, match=r"unknown precision 'bf16'\. Did you mean 'bfloat16'"):
        network().fit(X, Y, precision="bf16")


class Recorder:
    """A backend's `product_precision` that notes what it was called with, and whether it was left."""

    def __init__(self):
        self.entered, self.left = [], 0

    @contextmanager
    def __call__(self, precision, device):
        self.entered.append((precision, device))
        try:
            yield
        finally:
            self.left += 1


@pytest.fixture
def offered(monkeypatch):
    """The reference's backend, which offers all precisions; what it is asked for."""
    backend, asked = usable("readonly"), Recorder()
    monkeypatch.setattr(backend, "precisions", lambda device: PRECISIONS)
    monkeypatch.setattr(backend, "product_precision", asked)
    return asked


@pytest.mark.parametrize("precision", PRECISIONS)
def test_programs_run_in_it(precision, offered):
    history = network("readonly").fit(X, Y, epochs=3, batch_size=7, precision=precision)
    assert history.precision == precision
    assert offered.entered == [(precision, "cpu")] * 3 and offered.left == 3


def test_a_program_that_fails_leaves_it(offered, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("gpunet.core.reference.Reference.__call__", fail)
    with pytest.raises(gn.OutOfMemory):
        network("readonly").fit(X, Y, precision="tf32")
    assert len(offered.entered) == offered.left == 1


def test_float64_is_not_rounded(offered):
    with pytest.raises(ValueError, match="for float32 networks, this one has dtype='float64'"):
        network("readonly", "float64").fit(X, Y, precision="tf32")
    assert offered.entered == []
    network("readonly", "float64").fit(X, Y, epochs=1)


def test_a_plan_says_it(offered, monkeypatch):
    plans = []

    def program_for(plan, device):
        plans.append(plan)
        return None, ""

    monkeypatch.setattr(usable("readonly"), "program_for", program_for)
    for precision in PRECISIONS:
        network("readonly").fit(X, Y, epochs=1, precision=precision)
    assert [plan.precision for plan in plans] == list(PRECISIONS)
    assert len(set(plans)) == 3, "programs that are kept by their plan would be mixed up"


def test_the_setting_of_torch():
    backend = usable("torch")
    import torch

    def setting():
        matmul = torch.backends.cuda.matmul
        return matmul.fp32_precision if hasattr(matmul, "fp32_precision") else matmul.allow_tf32

    before, tf32 = setting(), ("tf32", True)
    for precision in ("tf32", "bfloat16"):
        with backend.product_precision(precision, "cuda:0"):
            assert setting() in tf32
            with backend.product_precision("float32", "cuda:0"):
                assert setting() not in tf32
            assert setting() in tf32
        assert setting() == before
    with pytest.raises(KeyError), backend.product_precision("tf32", "cuda:0"):
        raise KeyError
    assert setting() == before
    with backend.product_precision("float32", "cpu"):
        assert setting() == before


@pytest.mark.parametrize(
    ("capability", "offers"), [((7, 5), ("float32",)), ((8, 0), PRECISIONS), ((9, 0), PRECISIONS)]
)
def test_what_torch_offers(capability, offers, monkeypatch):
    backend = usable("torch")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert backend.precisions("cuda:0") == offers
    assert backend.precisions("cpu") == ("float32",)


class Device:
    def __init__(self, platform, capability=None):
        self.platform, self.id = platform, 0
        if capability is not None:
            self.compute_capability = capability


@pytest.mark.slow
def test_what_jax_offers(monkeypatch):
    backend = usable("jax")
    for device, offers in (
        (Device("cpu"), ("float32",)),
        (Device("gpu", "7.5"), ("float32",)),
        (Device("gpu", "8.0"), PRECISIONS),
        (Device("gpu", "10.0"), PRECISIONS),
        (Device("tpu"), PRECISIONS),
    ):
        monkeypatch.setattr("jax.devices", lambda device=device: [device])
        assert backend.precisions(backend.devices()[0]) == offers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "products"),
    [("float32", "HIGHEST"), ("tf32", "HIGH"), ("bfloat16", "accumulation_type = f32")],
)
def test_the_products_that_jax_compiles(precision, products):
    """The whole epoch's: no product is left to JAX's default."""
    backend = usable("jax")
    import jax

    from random_plans import DESCENTS, draw, plan_of

    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 32, "float32")
    program, _ = backend.program_for(plan, "cpu")
    with backend.product_precision(precision, "cpu"):
        text = jax.jit(program._epoch).lower(*draw(plan)).as_text()
    lines = [line for line in text.splitlines() if "dot_general" in line]
    assert len(lines) >= 5 and all(products in line for line in lines), lines
