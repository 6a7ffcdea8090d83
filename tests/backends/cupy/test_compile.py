"""Every kernel compiles for the GPUs of three generations, without a warning; needs neither GPU nor driver."""

import dataclasses
import importlib.metadata
import io
import re
import shutil
from dataclasses import replace

import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet_cupy import checks, predict, sources
from gpunet_cupy.batch_kernels import (
    gather_macros,
    hidden_layer_macros,
    output_layer_macros,
    update_kernel_macros,
)
from gpunet_cupy.products import LEFT, PAIRS, RIGHT
from gpunet_cupy.programs import blocked
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from gpunet_cupy.sources import FOLDER, source
from gpunet_cupy.support import braces

pytestmark = pytest.mark.slow

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
DROPPED = Plan(
    (Layer(784, 256, "relu", 0.2), Layer(256, 128, "tanh", 0.5), Layer(128, 10, "softmax", 0.4)),
    "cross_entropy",
    gn.Adam(),
    60_000,
    1000,
)
ODD = Plan(
    (Layer(783, 1001, "selu"), Layer(1001, 1, "sigmoid")),
    "logistic",
    gn.RMSprop(weight_decay=0.1),
    60_000,
    1000,
)
ESTIMATOR = Plan(
    (Layer(784, 100, "relu"), Layer(100, 10, "softmax")), "cross_entropy", gn.Adam(), 60_000, 200
)
STORED = [
    {"PAIRS": 0},
    *({"PAIRS": n, "LEFT": braces(*LEFT[-n:]), "RIGHT": braces(*RIGHT[-n:])} for n in (PAIRS, 1)),
]
DESCENTS = [
    gn.GradientDescent(0.1),
    gn.GradientDescent(0.1, 0.9),
    gn.GradientDescent(0.1, 0.9, nesterov=True, weight_decay=0.01),
]
WIDE_SGD, DEEP_SGD = (
    dataclasses.replace(plan, optimizer=gn.GradientDescent(0.1), batch_size=1) for plan in (WIDE, DEEP)
)
H100 = {"multiprocessors": 132, "shared_limit": 227 * 1024}
UPDATES = [gn.GradientDescent(), gn.GradientDescent(momentum=0.9), gn.Adam(), gn.RMSprop()]
PERSISTENT = {
    "persistent/minibatch.cu": PersistentKernel,
    "persistent/blocked.cu": PersistentBlockedSGD,
    "persistent/deep_blocked.cu": PersistentDeepBlockedSGD,
}


def penalized(plan):
    return replace(plan, penalized=True)


def persistent_macros(file, plan):
    return PERSISTENT[file].launch_for(plan, **H100).macros()


# The macros with which each kernel file is compiled.
MODULES = {
    "batches/gather.cu": [
        {**gather_macros(plan), **stored} for plan in (SHALLOW, DROPPED, ODD) for stored in STORED
    ],
    "batches/hidden_layer.cu": [
        {**hidden_layer_macros(plan, l), **stored}
        for plan, l in ((WIDE, 0), (DROPPED, 0), (ODD, 0), (WIDE, 2))
        for stored in STORED
    ],
    "batches/output_delta.cu": [
        {"UNITS": 10, "ACTIVATION": "SOFTMAX", "LOSS": "CROSS_ENTROPY"},
        {"UNITS": 1, "ACTIVATION": "SIGMOID", "LOSS": "LOGISTIC"},
        {"UNITS": 33, "ACTIVATION": "TANH", "LOSS": "SQUARED_ERROR"},
        {"UNITS": 33, "ACTIVATION": "IDENTITY", "LOSS": "ABSOLUTE_ERROR"},
    ],
    "batches/output_layer.cu": [
        {**output_layer_macros(plan, group), **stored}
        for plan, group in ((SHALLOW, 32), (DROPPED, 32), (ODD, 256))
        for stored in STORED
    ],
    "batches/update.cu": [
        {
            **update_kernel_macros(replace(plan, optimizer=optimizer), top, stored["PARTIALS"]),
            **stored["macros"],
        }
        for plan, top, optimizer in [
            *((WIDE, 2, one) for one in UPDATES),
            (ODD, 1, gn.Adam(clip_norm=1.0)),
            *(
                (penalized(plan), top, gn.Adam(clip_norm=clip))
                for plan, top, clip in ((WIDE, 2, None), (ODD, 1, 1.0))
            ),
            (SHALLOW, 2, gn.GradientDescent(clip_norm=2.0)),
        ]
        for stored in ({"macros": one, "PARTIALS": max(one["PAIRS"], 1)} for one in STORED)
    ],
    "blocked/blocked.cu": [blocked.macros(SHALLOW, 64), blocked.macros(DEEP, 64)],
    "predict/few_rows.cu": [predict.FEW_ROWS_MACROS],
    "predict/many_rows.cu": [{}],
    "predict/output_rows.cu": [
        {"OUTPUTS": outputs, "THREADS": sources.THREADS, "ROWS": predict.ROWS_OF_OUTPUT}
        for outputs in (10, 1, 32)
    ],
    "run/check_examples.cu": [
        {
            "VECTOR": vector,
            "TARGET": target,
            "CLASSES": classes,
            "SUM_TO_ONE": 1 - classes,
            "THREADS": sources.THREADS,
        }
        for vector, target, classes in ((4, "float", 0), (1, "unsigned long long", 1), (4, "double", 1))
    ],
    "run/one_hot.cu": [{"TARGET": target} for target in checks.TARGETS.values()],
    "run/read_back.cu": [{"THREADS": sources.THREADS}],
    "persistent/minibatch.cu": [
        persistent_macros("persistent/minibatch.cu", plan)
        for plan in (WIDE, DEEP, SHALLOW, *map(penalized, (WIDE, DEEP, ESTIMATOR)))
    ],
    "persistent/blocked.cu": [
        persistent_macros("persistent/blocked.cu", replace(SHALLOW, optimizer=one)) for one in DESCENTS
    ],
    "persistent/deep_blocked.cu": [
        persistent_macros("persistent/deep_blocked.cu", replace(plan, optimizer=one))
        for plan, optimizers in ((WIDE_SGD, DESCENTS), (DEEP_SGD, DESCENTS[-1:]))
        for one in optimizers
    ],
}
# X of integers.
INTEGERS = [
    {"GIVEN": "unsigned char", "STANDARDIZED": 1},
    {"GIVEN": "unsigned char", "STANDARDIZED": 0},
    {"GIVEN": "short", "STANDARDIZED": 1},
]
MODULES["batches/gather.cu"] += [
    {**gather_macros(plan), **stored, **given}
    for plan in (SHALLOW, DROPPED, ODD)
    for stored, given in zip(STORED, INTEGERS, strict=True)
]
MODULES["persistent/minibatch.cu"] += [
    {**persistent_macros("persistent/minibatch.cu", plan), **given}
    for plan, given in [
        *zip((SHALLOW, WIDE, DEEP, ESTIMATOR), [*INTEGERS, INTEGERS[0]], strict=True),
        (
            replace(SHALLOW, examples=60_000, batch_size=32, optimizer=gn.GradientDescent(0.1, 0.9)),
            INTEGERS[0],
        ),
        *(
            (replace(plan, examples=60_000, batch_size=batch), INTEGERS[0])
            for plan, batch in ((SHALLOW, 128), (WIDE, 64), (WIDE, 128))
        ),
    ]
]
SHARED_MEMORY = ["blocked/blocked.cu", *PERSISTENT]  # files whose sizes the host computes too


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
    # CuPy's own options
    options = nvrtc.ProgramOptions(
        arch=arch, std="c++17", ftz=True, device_as_default_execution_space=True, ptxas_options=["-v"]
    )
    assert nvrtc.Program(text, "c++", options).compile("cubin", logs=log).code
    assert "warning" not in log.getvalue().lower(), log.getvalue()
    return log.getvalue()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("file", MODULES)
def test_compiles(file, arch, nvrtc):
    """Every module for Hopper, where speed is measured; every file for the others, with a part of its many modules."""
    modules, turn = MODULES[file], ARCHITECTURES.index(arch)
    part = arch != "sm_90" and len(modules) > 3
    for i, macros in enumerate(modules):
        if part and (i + i // 3 + turn) % 3:  # i // 3: ways to store values come by threes
            continue
        said = compiled(nvrtc, arch, source("float32", file, **macros))
        if file != "persistent/blocked.cu":  # it calls a function with arguments on the stack
            assert set(re.findall(r"(\d+) bytes stack frame", said)) == {"0"}, said
        assert set(re.findall(r"(\d+) bytes spill", said)) == {"0"}, said


@pytest.mark.parametrize("file", MODULES)
def test_compiles_in_float64(file, nvrtc):
    macros = MODULES[file][0]
    layers = WIDE.layers if "deep" in file else SHALLOW.layers
    double = Plan(layers, SHALLOW.loss, SHALLOW.optimizer, 9, 1, "float64")
    if file == "blocked/blocked.cu":
        macros = blocked.macros(double, 32)
    elif file in PERSISTENT:
        macros = persistent_macros(file, double)
    compiled(nvrtc, "sm_90", source("float64", file, **macros))


@pytest.mark.parametrize("file", SHARED_MEMORY)
@pytest.mark.parametrize("name", ["SHARED_BYTES", "WORKSPACE"])
def test_another_size_than_the_kernel_needs_does_not_compile(name, file, nvrtc):
    macros = MODULES[file][0]
    if name in macros:
        with pytest.raises(Exception, match="the host allocates another size"):
            compiled(nvrtc, "sm_90", source("float32", file, **{**macros, name: macros[name] + 8}))


def test_an_error_is_reported_in_its_file(nvrtc, monkeypatch, tmp_path):
    folder = tmp_path / "gpunet_cupy" / "kernels"
    shutil.copytree(FOLDER, folder)
    header = folder / "common" / "update.cuh"
    lines = header.read_text(encoding="utf-8").splitlines()
    line = lines.index("    T theta = *p;")
    lines[line] = "    T theta = *undeclared;"
    header.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(sources, "FOLDER", folder)
    place = rf"gpunet_cupy/kernels/common/update.cuh\({line + 1}\): error.*undeclared"
    with pytest.raises(Exception, match=place):
        compiled(nvrtc, "sm_90", source("float32", "batches/update.cu", **MODULES["batches/update.cu"][0]))


def test_every_kernel_file_is_tested():
    assert {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.cu")} == set(MODULES)


def test_two_layers_of_the_common_size_fit_into_shared_memory():
    assert blocked.shared_bytes(SHALLOW, 64) <= blocked.MAX_SHARED + 1024
    assert blocked.shared_bytes(SHALLOW, 32) <= blocked.MAX_SHARED
