"""Every kernel compiles for the GPUs of three generations, without a warning; needs neither GPU nor driver."""

import importlib.metadata
import io
import re

import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet_cupy import blocks_program, resident_program, singles_program
from gpunet_cupy.kernels import FOLDER, rule, source

ARCHITECTURES = ["sm_80", "sm_90", "sm_100"]
SHALLOW = Plan(
    (Layer(784, 256, "sigmoid"), Layer(256, 10, "softmax")), "cross_entropy", gn.GradientDescent(0.1), 9, 1
)
DEEP = Plan(
    (Layer(784, 128, "relu"), Layer(128, 64, "tanh"), Layer(64, 10, "softmax")),
    "cross_entropy",
    gn.GradientDescent(0.1, 0.9, nesterov=True, weight_decay=0.01),
    9,
    8,
)
WIDE = Plan(
    (Layer(784, 512, "relu"), Layer(512, 256, "relu"), Layer(256, 10, "softmax")),
    "cross_entropy",
    gn.Adam(),
    60_000,
    1000,
)
H100 = {"multiprocessors": 132, "room": 227 * 1024}
UPDATES = [gn.GradientDescent(), gn.GradientDescent(momentum=0.9), gn.Adam(), gn.RMSprop()]


def together(found):
    tiles, layout = found
    return {**tiles.macros(), **layout.macros()}


MODULES = {
    "hidden": [{"N": 256, "G": name} for name in ("SIGMOID", "SELU")],
    "output": [
        {"N": 10, "G": "SOFTMAX", "LOSS": "CROSS_ENTROPY"},
        {"N": 1, "G": "SIGMOID", "LOSS": "LOGISTIC"},
        {"N": 33, "G": "TANH", "LOSS": "SQUARED_ERROR"},
        {"N": 33, "G": "IDENTITY", "LOSS": "ABSOLUTE_ERROR"},
    ],
    "lanes head batch_head": [
        {
            "N": 256,
            "BELOW": "SIGMOID",
            "OUTPUTS": 10,
            "TOP": "SOFTMAX",
            "LOSS": "CROSS_ENTROPY",
            "THREADS": 256,
            "TEAM": 32,
        },
        {
            "N": 1000,
            "BELOW": "RELU",
            "OUTPUTS": 1,
            "TOP": "SIGMOID",
            "LOSS": "LOGISTIC",
            "THREADS": 256,
            "TEAM": 256,
        },
    ],
    "gather": [{"N": 784, "INPUT": "T"}, {"N": 784, "INPUT": "unsigned char", "SCALE": 1 / 255}],
    "rule update": [{**rule(one), "WEIGHTS": 203_264, "BIASES": 266, "LATE": 2560} for one in UPDATES],
    "blocks": [blocks_program.macros(SHALLOW, 64), blocks_program.macros(DEEP, 64)],
    "rule grid tile hold lanes head exchange resident_outputs resident": [
        together(resident_program.layout(plan, **H100)) for plan in (WIDE, DEEP, SHALLOW)
    ],
    "rule grid tile hold lanes sequence singles": [together(singles_program.layout(SHALLOW, **H100))],
}


@pytest.fixture(scope="module")
def nvrtc():
    for name in ("cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc"):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f'{name} is not installed (pip install "gpunet[cuda-test]")')
    import cuda.core

    return cuda.core


def compiled(nvrtc, arch, text):
    """What the assembler says of each kernel: its stack, what it spills."""
    log = io.StringIO()
    options = nvrtc.ProgramOptions(arch=arch, ptxas_options=["-v"])
    assert nvrtc.Program(text, "c++", options).compile("cubin", logs=log).code
    assert "warning" not in log.getvalue().lower(), log.getvalue()
    return log.getvalue()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", MODULES)
def test_compiles(name, arch, nvrtc):
    for macros in MODULES[name]:
        said = compiled(nvrtc, arch, source("float32", *name.split(), **macros))
        if not name.endswith("singles"):  # which calls a function with arguments on the stack
            assert set(re.findall(r"(\d+) bytes stack frame", said)) == {"0"}, said
        assert set(re.findall(r"(\d+) bytes spill", said)) == {"0"}, said


@pytest.mark.parametrize("name", MODULES)
def test_compiles_in_float64(name, nvrtc):
    macros = MODULES[name][0]
    double = Plan(SHALLOW.layers, SHALLOW.loss, SHALLOW.optimizer, 9, 1, "float64")
    if name == "blocks":
        macros = blocks_program.macros(double, 32)
    elif name.endswith("resident"):
        macros = together(resident_program.layout(double, **H100))
    elif name.endswith("singles"):
        macros = together(singles_program.layout(double, **H100))
    compiled(nvrtc, "sm_90", source("float64", *name.split(), **macros))


def test_another_amount_of_shared_memory_does_not_compile(nvrtc):
    for name in (
        "blocks",
        "rule grid tile hold lanes head exchange resident_outputs resident",
        "rule grid tile hold lanes sequence singles",
    ):
        macros = {**MODULES[name][0], "BYTES": MODULES[name][0]["BYTES"] + 8}
        with pytest.raises(Exception, match="another amount of shared memory"):
            compiled(nvrtc, "sm_90", source("float32", *name.split(), **macros))


def test_every_source_is_tested_and_includes_nothing():
    names = {path.stem for path in FOLDER.glob("*.cu")}
    assert names == {"common", *" ".join(MODULES).split()}
    for path in FOLDER.glob("*.cu"):
        assert "#include" not in path.read_text(encoding="utf-8")


def test_two_layers_of_the_common_size_fit_into_shared_memory():
    assert blocks_program.shared_bytes(SHALLOW, 64) <= blocks_program.SHARED + 1024
    assert blocks_program.shared_bytes(SHALLOW, 32) <= blocks_program.SHARED
