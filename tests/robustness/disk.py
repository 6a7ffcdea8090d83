"""A disk that fails at one of the calls of a save."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np

import gpunet as gn

COUNT = 400
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
CALLS = ("open", "write", "fsync", "replace", "link", "chmod", "fchmod")


class Disk:
    """Counts the calls of the os module that a save makes; the one number `fails_at` fails."""

    def __init__(self, fails_at, code):
        self.left, self.code, self.failed = fails_at, code, False
        self.originals = {name: getattr(os, name) for name in CALLS if hasattr(os, name)}

    def __enter__(self):
        for name, original in self.originals.items():
            setattr(os, name, self.failing(original))
        return self

    def failing(self, original):
        """The call, or an error in its place."""

        def call(*arguments, **more):
            self.left -= 1
            if self.left == 0:
                self.failed = True
                raise OSError(self.code, os.strerror(self.code))
            return original(*arguments, **more)

        return call

    def __exit__(self, *_):
        for name, original in self.originals.items():
            setattr(os, name, original)


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    nets = [gn.Network([gn.Dense(5)], inputs=4, seed=k, backend="numpy") for k in range(2)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "net"
        for attempt in range(count):
            nets[0].save(path)
            old = path.read_bytes()
            code = int(rng.choice(ERRORS))
            with Disk(1 + attempt % 8, code):
                try:
                    nets[1].save(path)
                    raised = None
                except OSError as error:
                    raised = error
            found = path.read_bytes()
            left = [one.name for one in path.parent.iterdir() if one != path]
            if left:
                yield f"{left} is left"
            elif raised is not None:
                # After the rename the folder's fsync may still fail: then the new file is there, whole.
                whole = found == old or np.array_equal(
                    gn.load(path, "numpy").parameters[0][0], nets[1].parameters[0][0]
                )
                clear = raised.errno == code
                yield None if whole and clear else f"{raised!r}; old file: {found == old}"
            else:
                yield None if found != old else "no error, and nothing was written"
