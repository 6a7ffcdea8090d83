"""Ctrl-C and SIGTERM while a network trains: noted, and acted upon at the next pause."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context in which the first Ctrl-C or SIGTERM is noted; a second Ctrl-C raises KeyboardInterrupt at once.

    Outside of the main thread, where Python has no signals, nothing is noted. A signal that is ignored stays ignored.

    Attributes
    ----------
    received : int or None
        The signal that has come.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self.before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the handlers back; then let a signal act that came and has not been acted upon."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.received is not None and not isinstance(error, KeyboardInterrupt):
            signal.raise_signal(self.received)
