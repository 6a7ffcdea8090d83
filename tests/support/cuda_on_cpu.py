"""The kernels' own source, run on a CPU: compiled by the system's C++ compiler with `cuda_on_cpu.h` in front.

What runs thread blocks, `cuda_on_cpu.cpp`, is a library of its own. It is compiled once, and linked to every kernel's.
"""

import atexit
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

FOLDER = (
    "GPUNET_KERNELS_ON_CPU"  # a variable of the environment: where libraries are built, for several processes
)
HEADER, EMULATOR = (Path(__file__).with_name(f"cuda_on_cpu.{end}") for end in ("h", "cpp"))
COMPILER = shutil.which("c++") or shutil.which("g++")
TROUBLE = {
    1: "threads wait for each other in vain",
    2: "shared memory was overrun",
    3: "too many threads, or too much shared memory",
}
ORDER = {"descending": False}  # of the threads between two barriers
CAPTURED = []  # the launches of the CUDA graph that is being captured
CALLS = Counter()  # of the host to the device, by kind: "launch" for kernels, and what `fake_cupy` adds

OPTIONS = [
    "-std=c++17",
    "-O1",
    "-fPIC",
    "-pthread",
    "-U_FORTIFY_SOURCE",
    "-Wall",
    "-Werror",
    "-Wno-unknown-pragmas",
]
# Of a kernel, which needs none of C++: linking those takes longer.
LIBRARIES = ["-nodefaultlibs", "-lm", "-lc"]


def _compile(*arguments):
    done = subprocess.run([COMPILER, *OPTIONS, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _made(file, make):
    """A file that several processes may make at a time: it is there when it is whole."""
    if not file.exists():
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made = Path(folder) / file.name
            make(made)
            made.replace(file)
    return file


def _own_folder():
    folder = tempfile.mkdtemp(prefix="kernels")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _header():
    """In the folder where libraries are built. The compiler finds the precompiled header beside the header."""
    folder = Path(os.environ.get(FOLDER) or _own_folder())
    header = _made(folder / HEADER.name, lambda copy: shutil.copy(HEADER, copy))
    _made(folder / f"{HEADER.name}.gch", lambda made: _compile("-x", "c++-header", header, "-o", made))
    return header


@functools.cache
def _emulator():
    """What kernels are linked to; processes that share the folder share it."""

    def make(library):
        _compile("-O2", "-shared", EMULATOR, "-o", library)

    return _made(_header().with_name("emulator.so"), make)


@functools.cache
def build(source):
    """The shared library of a source, with a launcher for every kernel. Each is built once."""
    names = re.findall(r"void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(", source.replace("\n", " "))
    kernels = [n for n in names if re.search(rf"__global__[^;{{]*?\b{n}\(", source)]
    launchers = "".join(
        f'\nextern "C" int launch_{n}(void** a, const int* g, const int* t, size_t s, int d, int w)'
        f"{{ return emulator::launch({n}, a, g, t, s, d, w); }}\n"
        f'extern "C" int parameters_{n}(size_t* s) {{ return emulator::parameters({n}, s); }}\n'
        for n in kernels
    )
    text, header, emulator = source + launchers, _header(), _emulator()

    def make(library):
        file = library.with_suffix(".cpp")
        file.write_text(text)
        _compile("-shared", "-include", header, file, emulator, *LIBRARIES, "-o", library)

    name = hashlib.sha256(text.encode()).hexdigest()
    return ctypes.CDLL(str(_made(header.with_name(f"{name}.so"), make)))


class CPointer:
    """CuPy's: an argument of a kernel that is at an address."""

    def __init__(self, p=0):
        self.ptr = p


class Kernel:
    """Called as CuPy's: ``kernel(grid, block, args, shared_mem=0)``, with NumPy arrays for device arrays."""

    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, source, name):
        self.source, self.name = source, name

    @functools.cached_property
    def library(self):
        return build(self.source)

    @functools.cached_property
    def sizes(self):
        """Bytes of each parameter."""
        sizes = (ctypes.c_size_t * 64)()
        return sizes[: getattr(self.library, f"parameters_{self.name}")(sizes)]

    def __call__(self, grid, block, args, *, shared_mem=0):
        self.kernel(grid, block, args, shared_mem)

    def kernel(self, grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False):
        """CuPy's function below its RawKernel, which can launch blocks that wait for each other."""
        grid = tuple(max(1, n) for n in grid)  # as CuPy does

        def run():
            self._run(grid, block, args, shared_mem, enable_cooperative_groups)

        if CAPTURED:  # a graph is being captured: the launch is recorded
            CAPTURED[-1].append(run)
        else:
            CALLS["launch"] += 1
            run()

    def _run(self, grid, block, args, shared_mem, together):
        assert len(args) == len(self.sizes), f"{self.name} takes {len(self.sizes)} arguments, got {len(args)}"
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "more shared memory than was asked for"
        kept, pointers = [], (ctypes.c_void_p * len(args))()
        for i, (value, size) in enumerate(zip(args, self.sizes, strict=True)):
            if isinstance(value, CPointer):
                pointers[i] = value.ptr
                continue
            if value is None or isinstance(value, np.ndarray):
                one = np.array(0 if value is None else value.ctypes.data, dtype=np.uintp)
            else:
                one = np.array(value)
            assert one.nbytes == size, f"argument {i} of {self.name} has {size} bytes, got {one.nbytes}"
            kept.append(one)
            pointers[i] = one.ctypes.data
        three = [(ctypes.c_int * 3)(*(*t, 1, 1)[:3]) for t in (grid, block)]
        launch = getattr(self.library, f"launch_{self.name}")
        code = launch(pointers, *three, ctypes.c_size_t(shared_mem), int(ORDER["descending"]), int(together))
        assert code == 0, f"{self.name}: {TROUBLE[code]}"


class RawModule:
    """CuPy's, as far as it is used here: it compiles when a kernel is first launched."""

    def __init__(self, *, code):
        self.code = code

    def get_function(self, name):
        return Kernel(self.code, name)
