"""The cache of machine code on disk, keyed by all sources that the code depends on, and by the processor.

A file that is damaged, or can't be read or written, costs a compilation and nothing else.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpunet.core import activations

FOLDER, PACKAGE = Path(__file__).parent, f"{__package__}."
# Settings of numba that change the code it makes
SETTINGS = (
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_OPT",
    "NUMBA_ENABLE_AVX",
    "NUMBA_DISABLE_INTEL_SVML",
)
DIGEST = hashlib.sha256().digest_size  # bytes: a file is its code's digest, and the code
DAY = 24 * 60 * 60
UNUSED = (
    90 * DAY
)  # seconds without use after which a file is removed: its sources are those of an old version


@functools.cache
def llvm() -> Any:
    """The binding of LLVM, ready to load machine code."""
    import llvmlite.binding as binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def digest() -> str:
    """A digest of the sources: of their names and what is in them."""
    found = hashlib.sha256()
    for path in [*sorted(FOLDER.rglob("*.py")), Path(activations.__file__)]:
        text = path.read_bytes()
        found.update(f"{path.name} {path.parent.name} {len(text)}\n".encode() + text)
    return found.hexdigest()[:16]


@functools.cache
def machine() -> str:
    """A digest of what machine code depends on beside its sources: LLVM, the processor, Python, settings."""
    import llvmlite

    found = [
        llvmlite.__version__,
        llvm().get_process_triple(),
        llvm().get_host_cpu_name(),
        llvm().get_host_cpu_features().flatten(),
        str(object.__basicsize__),  # machine code looks into arrays
        *(os.environ.get(name, "") for name in SETTINGS),
    ]
    return _short("\n".join(found))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def folders() -> list[Path]:
    """Where files may be: in numba's folder if one is set, else next to the sources, or in the user's.

    They are read from any of them, so that whoever runs an image finds what was compiled when it was made.
    """
    set_folder = os.environ.get("NUMBA_CACHE_DIR")
    if set_folder:
        return [Path(set_folder) / "gpunet"]
    return [FOLDER / "__pycache__", _folder_of_user() / "gpunet"]


def _folder_of_user() -> Path:
    home = Path("~").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")


def writable_folder() -> Path | None:
    """The first of them where files can be written; None if there is none."""
    return next(filter(_is_writable, folders()), None)


def _is_writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def shared_folder() -> str:
    """The same; that for temporary files if there is none."""
    return str(writable_folder() or tempfile.gettempdir())


def _prefix(module: str, name: str, dtype: str) -> str:
    """What the names of all files for a kernel and a dtype begin with, here and with these sources."""
    return f"{module.removeprefix(PACKAGE)}.{name}-{dtype}-{digest()}-{machine()}-"


def file_name(module: str, name: str, kinds: tuple[str, ...]) -> str:
    """The name of the file of a kernel's code for arguments of these kinds."""
    return f"{_prefix(module, name, dtype_of(kinds))}{_short(';'.join(kinds))}.code"


def dtype_of(kinds: tuple[str, ...]) -> str:
    """The dtype of the parameters of a call. float32's has a few numbers in float64, not the other way round."""
    return "float32" if "f" in "".join(kinds) else "float64"


def read(name: str) -> bytes | None:
    """The code in a file of this name, or None if there is none that is whole."""
    return next(filter(None, (_code_in(place / name) for place in folders())), None)


def _code_in(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
    except OSError:
        return None
    code = found[DIGEST:]
    if not code or hashlib.sha256(code).digest() != found[:DIGEST]:
        return None
    with suppress(OSError):
        if _age(path) > DAY:
            os.utime(path)
    return code


def _age(path: Path) -> float:
    """Seconds since a file was made, or marked as used."""
    return time.time() - path.stat().st_mtime


def write(name: str, code: bytes) -> None:
    """Keep code in a file, if that can be: whole, or not at all. Other processes may do the same.

    Where new code is made, there may be old code that nobody needs any more.
    """
    place = writable_folder()
    if place is None:
        return
    temporary = place / f"{name}-{os.getpid()}-{threading.get_ident()}"
    with suppress(OSError):
        try:
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            os.replace(temporary, place / name)
        finally:
            temporary.unlink(missing_ok=True)
    for path in place.glob("*.code"):
        with suppress(OSError):
            if _age(path) > UNUSED:
                path.unlink()


def is_on_disk(kernel: Any, dtype: str) -> bool:
    """Whether a kernel need not be compiled again for parameters of a dtype."""
    names = f"{_prefix(kernel.module, kernel.name, dtype)}*.code"
    with suppress(OSError):
        return any(_code_in(path) is not None for place in folders() for path in place.glob(names))
    return False
