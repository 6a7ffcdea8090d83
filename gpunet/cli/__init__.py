"""The command line: ``gpunet train``, ``evaluate``, ``predict`` and ``info``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gpunet.errors import Diverged, OutOfMemory

# Exit codes: 0 all went well; 1 the run failed; 2 bad input; 130 stopped with Ctrl-C.
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str or None
        What follows ``gpunet`` on the command line; None takes ``sys.argv``.

    Returns
    -------
    int
        The exit code: 0, 1 for a run that failed, 2 for bad input, 130 after Ctrl-C. What went wrong is one
        line on standard error.
    """
    from gpunet.cli.options import parser

    try:
        options = parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at exit
    except BrokenPipeError:
        # As when piped into `head`: nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C", INTERRUPTED, "")
    except (Diverged, OutOfMemory) as error:
        return _say(error, FAILED)
    except (ValueError, TypeError, OSError, ImportError) as error:
        return _say(error, BAD_INPUT)
    return 0


def _say(what: object, code: int, kind: str = "error: ") -> int:
    """One line on standard error."""
    if isinstance(what, OSError) and what.strerror and what.filename is not None:
        what = f"{what.filename}: {what.strerror}"
    sys.stdout.flush()
    print(f"gpunet: {kind}{' '.join(str(what).split())}", file=sys.stderr)
    return code
