"""The cache of compiled code on disk, keyed by all sources that the code depends on.

numba compiles a kernel again when the kernel's own file has changed, but not when a file that it imports has. So the
names of the cached files hold a digest of all sources of this package, and of the constants that they take from core.

A file that is damaged, or can't be read or written, costs a compilation and nothing else: numba itself would raise what
unpickling raises, which may be anything, and run machine code in which a bit has changed.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps

from gpunet.core import activations

FOLDER = Path(__file__).parent


@functools.cache
def digest() -> str:
    """A digest of the sources: of their names and what is in them."""
    found = hashlib.sha256()
    for path in [*sorted(FOLDER.rglob("*.py")), Path(activations.__file__)]:
        text = path.read_bytes()
        found.update(f"{path.name} {path.parent.name} {len(text)}\n".encode() + text)
    return found.hexdigest()[:16]


class _Files(CompileResultCacheImpl):  # type: ignore[misc]
    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        name: str = super().get_filename_base(fullname, abiflags)
        return f"{name}-{digest()}"

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        """What is kept of compiled code, after its digest."""
        code = dumps(super().reduce(cres))
        return hashlib.sha256(code).digest(), code

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """The reverse."""
        return super().rebuild(target_context, pickle.loads(checked(payload)))


def checked(payload: tuple[bytes, bytes]) -> bytes:
    """The code that was kept; ValueError if it is not what its digest was made of."""
    expected, code = payload
    if hashlib.sha256(code).digest() != expected:
        raise ValueError("cached code is damaged")
    return code


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Files

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress(Exception):
            return super().load_overload(sig, target_context)
        return None  # it is compiled, and saved in place of this

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(Exception):  # code that can't be kept, as on a full disk, is used all the same
            try:
                super().save_overload(sig, data)
            except Exception:
                self.flush()  # the index may be damaged
                super().save_overload(sig, data)

    def holds(self, dtype: str, codegen: Any) -> bool:
        """Whether code for this processor, and for parameters of this dtype, is on disk."""
        try:
            index = self._cache_file._load_index()
        except Exception:
            return False
        for key in index:
            signature = key[0]
            # float32's has a few float64, not vice versa.
            found = "float32" if "float32" in str(signature) else "float64"
            made_here = key == self._index_key(signature, codegen)
            if found == dtype and made_here and self._loads(key):
                return True
        return False

    def _loads(self, key: Any) -> bool:
        with suppress(Exception):
            checked(self._cache_file.load(key))
            return True
        return False


def keep_compiled(dispatcher: Any) -> Any:
    """What ``cache=True`` does to a compiled function, with our cache."""
    if not config.DISABLE_JIT:
        dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher


def is_on_disk(kernel: Any, dtype: str) -> bool:
    """Whether a kernel need not be compiled again for parameters of a dtype."""
    return bool(config.DISABLE_JIT or kernel._cache.holds(dtype, kernel.targetctx.codegen()))


def shared_folder() -> str:
    """The folder of compiled code that stands for all of them."""
    locator = _Files(keep_compiled).locator
    locator.ensure_cache_path()
    return str(locator.get_cache_path())
