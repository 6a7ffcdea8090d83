"""The command line: ``gpunet train``, ``evaluate``, ``predict``, ``export``, ``shuffle``, ``lecture`` and ``info``."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Sequence

from gpunet.cli.argument_names import with_options
from gpunet.cli.codes import BAD_INPUT, FAILED, INTERRUPTED
from gpunet.cli.encoding import write_any_character
from gpunet.errors import Diverged, FolderInUse, TeamError, UnscaledInputs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str or None
        The command-line arguments after ``gpunet``; None takes ``sys.argv``.

    Returns
    -------
    int
        The exit code: 0, 1 for a run that failed, 2 for bad input, 130 after Ctrl-C. Errors are one line on
        standard error. A training that is stopped exits with 130, or with 143 after SIGTERM.
    """
    from gpunet.cli.options import build_parser

    write_any_character()
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = build_parser()
    options_with_values = parser.options_with_values()

    def report(message: str, code: int) -> int:
        if sys.stdout is not None:
            sys.stdout.flush()
        _print(with_options(message, options_with_values, arguments))
        return code

    def show_warning(message: Warning | str, *where: object, **more: object) -> None:
        """Print a warning as one line on standard error; where in the code it comes from is of no use here."""
        _print(with_options(f"warning: {message}", options_with_values, arguments))

    try:
        options = parser.parse_args(arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnscaledInputs)  # only after --standardize no
            warnings.showwarning = show_warning
            options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()  # raises BrokenPipeError here rather than at exit
    except BrokenPipeError:
        # The reader has closed the pipe, as in `gpunet info | head -1`: there is no reader to report to.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return FAILED
    except KeyboardInterrupt:
        return report("stopped by Ctrl-C", INTERRUPTED)
    except (Diverged, TeamError, FolderInUse) as error:
        return report(f"error: {error}", FAILED)
    except MemoryError as error:  # Python's own says nothing
        return report(f"error: {str(error) or 'out of memory'}", FAILED)
    except OSError as error:
        named = error.strerror and error.filename is not None
        return report(f"error: {error.filename}: {error.strerror}" if named else f"error: {error}", BAD_INPUT)
    except (ValueError, TypeError, ImportError) as error:
        return report(f"error: {error}", BAD_INPUT)
    return 0


def _print(message: str) -> None:
    """Print one line on standard error; on a terminal no word is cut where it goes on in the next one."""
    line = f"gpunet: {' '.join(message.split())}"
    if sys.stderr is not None and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    print(line, file=sys.stderr)
