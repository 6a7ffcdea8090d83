"""A stand-in for ``cupy.cuda.nccl``, for arrays of the fake CuPy: threads or MPI carry them.

What NCCL leaves undefined is an error here: an array of no numbers, a rank that sends to itself, another number of
bytes than was sent, a call outside of a group.
"""

import ctypes
import queue
import secrets
import threading
from collections import defaultdict

SECONDS = 60
BYTES = {7: 4, 8: 8}  # of NCCL_FLOAT32 and NCCL_FLOAT64


class NcclError(RuntimeError):
    """CuPy's."""

    def __init__(self, status):
        names = {2: "NCCL_ERROR_SYSTEM_ERROR: unhandled system error", 4: "NCCL_ERROR_INVALID_ARGUMENT"}
        super().__init__(names[status])
        self.status = status


class Mailboxes:
    """Between threads."""

    def __init__(self):
        self.boxes = defaultdict(queue.Queue)
        self.lock = threading.Lock()

    def box(self, *key):
        with self.lock:
            return self.boxes[key]

    def send(self, identifier, sender, receiver, message):
        self.box(identifier, sender, receiver).put(message)

    def receive(self, identifier, sender, receiver):
        return self.box(identifier, sender, receiver).get(timeout=SECONDS)

    def flush(self):
        """All is there."""


class Messages:
    """Between the ranks of MPI."""

    def __init__(self, communicator):
        self.communicator, self.requests = communicator, []

    def send(self, identifier, sender, receiver, message):
        self.requests.append(self.communicator.isend(message, receiver))

    def receive(self, identifier, sender, receiver):
        return self.communicator.recv(source=sender)

    def flush(self):
        for request in self.requests:
            request.wait()
        self.requests.clear()


class Group(threading.local):
    """Calls between groupStart and groupEnd; None outside."""

    calls = None


class FakeNccl:
    """The module.

    Parameters
    ----------
    wires : Mailboxes or Messages
    """

    available = True
    NCCL_FLOAT32, NCCL_FLOAT64 = 7, 8
    NcclError = NcclError

    def __init__(self, wires):
        self.wires, self.group = wires, Group()
        self.connections = []  # rank and size of each
        self.sent = 0  # bytes
        self.fails = {}  # calls by their name, and the rank that they fail on
        self.before = lambda: None  # called within each exchange

    def get_version(self):
        return 22703

    def get_build_version(self):
        return 22703

    def get_unique_id(self):
        return secrets.token_bytes(128)

    def groupStart(self):
        assert self.group.calls is None
        self.group.calls = []

    def groupEnd(self):
        sends, receives = [], []
        for kind, *call in self.group.calls:
            (sends if kind == "send" else receives).append(call)
        self.group.calls = None
        for communicator, pointer, size, peer in sends:
            communicator.may_fail("send")
            self.sent += size
            message = ctypes.string_at(pointer, size)
            self.before()
            self.wires.send(communicator.identifier, communicator.rank, peer, message)
        for communicator, pointer, size, peer in receives:
            message = self.wires.receive(communicator.identifier, peer, communicator.rank)
            if len(message) != size:
                raise NcclError(4)
            ctypes.memmove(pointer, message, size)
        self.wires.flush()

    def NcclCommunicator(self, ndev, commId, rank):
        return FakeCommunicator(self, ndev, commId, rank)


class FakeCommunicator:
    """One rank's connection."""

    def __init__(self, library, size, identifier, rank):
        assert type(identifier) is bytes and len(identifier) == 128
        self.library, self.size, self.identifier, self.rank = library, size, identifier, rank
        self.may_fail("connect")
        library.connections.append((rank, size))

    def may_fail(self, name):
        if self.library.fails.get(name) == self.rank:
            raise NcclError(2)

    def _call(self, kind, pointer, count, datatype, peer, stream):
        assert self.library.group.calls is not None, "it would wait for the other rank"
        assert pointer and count > 0
        assert peer != self.rank
        assert 0 <= peer < self.size
        assert stream == 0
        self.library.group.calls.append((kind, self, pointer, count * BYTES[datatype], peer))

    def send(self, sendbuf, count, datatype, peer, stream):
        self._call("send", sendbuf, count, datatype, peer, stream)

    def recv(self, recvbuf, count, datatype, peer, stream):
        self._call("receive", recvbuf, count, datatype, peer, stream)

    def check_async_error(self):
        self.may_fail("asynchronous")


def install(cupy, monkeypatch, wires=None):
    """Make it CuPy's, of :mod:`fake_cupy`; returns it."""
    import sys

    cupy.cuda.nccl = FakeNccl(wires or Mailboxes())
    monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
    return cupy.cuda.nccl
