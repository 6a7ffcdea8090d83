"""How the source of a kernel is put together from its files."""

import re
import shutil

import pytest

from gpunet_cupy import sources
from gpunet_cupy.products import LEFT, PAIRS, RIGHT
from gpunet_cupy.programs import blocked
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from gpunet_cupy.sources import FOLDER, source
from gpunet_cupy.support import braces
from random_plans import DESCENTS, plan_of

HEADERS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.cuh"))
INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "package" / "kernels"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sources, "FOLDER", folder)
    return folder


def test_headers_are_put_in_once_and_every_line_keeps_its_place(folder):
    (folder / "a.cuh").write_text("#pragma once\nint a;\n")
    (folder / "b.cuh").write_text('#pragma once\n#include "a.cuh"\nint b;\n')
    (folder / "k.cu").write_text('// kernel\n#include "a.cuh"\n#include "b.cuh"\n#include "a.cuh"\nint k;\n')
    text = source("float64", "k.cu", SIZE=3, NAME="RELU")
    places, file, line = {}, None, 0
    for one in text.splitlines():
        moved = re.fullmatch(r'#line (\d+) "(.+)"', one)
        if moved:
            line, file = int(moved[1]), moved[2]
            continue
        if one.startswith("int "):
            assert one not in places, "a header was put in twice"
            places[one] = (file, line)
        line += 1
    assert places == {
        "int a;": ("package/kernels/a.cuh", 2),
        "int b;": ("package/kernels/b.cuh", 3),
        "int k;": ("package/kernels/k.cu", 5),
    }
    assert "#define SIZE 3\n" in text and "#define NAME RELU\n" in text and "using T = double;" in text
    assert "#include" not in text and "#pragma" not in text


def test_a_header_that_does_not_exist(folder):
    (folder / "k.cu").write_text('#include "none.cuh"\n')
    with pytest.raises(FileNotFoundError, match=r"none\.cuh"):
        source("float32", "k.cu")


def test_an_error_is_reported_in_its_file(cpu, tmp_path, monkeypatch):
    folder = tmp_path / "gpunet_cupy" / "kernels"
    shutil.copytree(FOLDER, folder)
    (folder / "common" / "examples.cuh").write_text("#pragma once\n\nint broken = nothing;\n")
    monkeypatch.setattr(sources, "FOLDER", folder)
    macros = {"UNITS": 2, "ACTIVATION": "RELU", "LOSS": "SQUARED_ERROR"}
    with pytest.raises(AssertionError, match=r"gpunet_cupy/kernels/common/examples\.cuh:3:.*nothing"):
        cpu.build(source("float32", "batches/output_delta.cu", **macros))


def test_every_header_is_included():
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.cu*")]
    assert {name for text in texts for name in INCLUDE.findall(text)} == set(HEADERS)


@pytest.mark.parametrize("header", HEADERS)
def test_every_header_includes_what_it_uses(header, cpu):
    """Each compiles by itself, and so can be included in any order."""
    if header.startswith("blocked"):
        macros = blocked.macros(plan_of("sigmoid-softmax", DESCENTS["plain"], 1), 16)
    else:
        program, network, batch_size = PersistentKernel, "wide", 40
        if "deep" in header:
            program, network, batch_size = PersistentDeepBlockedSGD, "relu-tanh-sigmoid", 1
        macros = program.launch_for(plan_of(network, DESCENTS["plain"], batch_size), 5, 227 * 1024).macros()
    cpu.build(source("float64", header, PAIRS=0, **macros))
    if header.startswith("common"):
        cpu.build(source("float32", header, PAIRS=PAIRS, LEFT=braces(*LEFT), RIGHT=braces(*RIGHT), **macros))
