"""The kernels' own source, run on a CPU: compiled by the system's C++ compiler with `cuda_on_cpu.h` in front."""

import atexit
import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
COMPILER = shutil.which("c++") or shutil.which("g++")
TROUBLE = {
    1: "threads wait for each other in vain",
    2: "shared memory was overrun",
    3: "too many threads, or too much shared memory",
}
ORDER = {"descending": False}  # of the threads between two barriers


@functools.cache
def _folder():
    folder = tempfile.mkdtemp(prefix="kernels")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def build(source, options):
    """The shared library of a source, with a launcher for every kernel."""
    names = re.findall(r"void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(", source.replace("\n", " "))
    kernels = [n for n in names if re.search(rf"__global__[^;{{]*?\b{n}\(", source)]
    launchers = "".join(
        f'extern "C" int launch_{n}(void** a, const int* g, const int* t, size_t s, int d, int w)'
        f"{{ return emulator::launch({n}, a, g, t, s, d, w); }}\n"
        f'extern "C" int parameters_{n}(size_t* s) {{ return emulator::parameters({n}, s); }}\n'
        for n in kernels
    )
    folder = _folder()
    stem = folder / f"k{len(list(folder.iterdir()))}"
    stem.with_suffix(".cpp").write_text(source + launchers)
    command = [
        COMPILER,
        "-std=c++17",
        "-O1",
        "-shared",
        "-fPIC",
        "-pthread",
        "-U_FORTIFY_SOURCE",
        "-Wall",
        "-Werror",
    ]
    command += ["-Wno-unknown-pragmas", "-include", str(HEADER), *options]
    command += [str(stem.with_suffix(".cpp")), "-o", str(stem.with_suffix(".so"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(stem.with_suffix(".so")))


class Kernel:
    """Called as CuPy's: ``kernel(grid, block, args, shared_mem=0)``, with NumPy arrays for device arrays."""

    def __init__(self, library, name):
        self.launch = getattr(library, f"launch_{name}")
        self.name = name
        sizes = (ctypes.c_size_t * 64)()
        count = getattr(library, f"parameters_{name}")(sizes)
        self.sizes = list(sizes[:count])
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, args, *, shared_mem=0):
        self.kernel(grid, block, args, shared_mem)

    def kernel(self, grid, block, args, shared_mem=0, stream=None, together=False):
        """CuPy's function below its RawKernel, which can launch blocks that wait for each other."""
        assert len(args) == len(self.sizes), f"{self.name} takes {len(self.sizes)} arguments, got {len(args)}"
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "more shared memory than was asked for"
        kept, pointers = [], (ctypes.c_void_p * len(args))()
        for i, (value, size) in enumerate(zip(args, self.sizes, strict=True)):
            if value is None or isinstance(value, np.ndarray):
                one = np.array(0 if value is None else value.ctypes.data, dtype=np.uintp)
            else:
                one = np.array(value)
            assert one.nbytes == size, f"argument {i} of {self.name} has {size} bytes, got {one.nbytes}"
            kept.append(one)
            pointers[i] = one.ctypes.data
        three = [(ctypes.c_int * 3)(*(*t, 1, 1)[:3]) for t in (grid, block)]
        code = self.launch(
            pointers, *three, ctypes.c_size_t(shared_mem), int(ORDER["descending"]), int(together)
        )
        assert code == 0, f"{self.name}: {TROUBLE[code]}"


class RawModule:
    """CuPy's, as far as it is used here."""

    def __init__(self, *, code, options=()):
        assert COMPILER is not None
        self.library = build(code, tuple(options))

    def get_function(self, name):
        return Kernel(self.library, name)
