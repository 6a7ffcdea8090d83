"""How arrays go from the device of one rank to those of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.devices.communicator import Communicator
from gpunet.devices.placement import Placement
from gpunet.teams.engine import Engine

Array = Any


class ThroughHost:
    """Through the memory of the hosts, as the team's engine carries them.

    Parameters
    ----------
    engine : Engine
    placement : Placement
        Of the arrays that are sent.
    """

    def __init__(self, engine: Engine, placement: Placement) -> None:
        self.engine, self.placement = engine, placement

    def exchange(
        self, vectors: Sequence[Array], sections: Sequence[slice], counts: Sequence[int]
    ) -> list[list[Array]]:
        """See :class:`~gpunet.devices.communicator.Communicator`; what is received stays on the host."""
        own = sections[self.engine.rank]
        width = own.stop - own.start
        on_host = [self.placement.backend.to_host(vector) for vector in vectors]
        parts = [np.concatenate([vector[section] for vector in on_host]) for section in sections]
        received = self.engine.exchange(parts, [width * count for count in counts])
        return [
            [some[i * width : (i + 1) * width] for i in range(count)]
            for some, count in zip(received, counts, strict=True)
        ]

    def to_device(self, vector: Array) -> Array:
        """A sum of what was received, where the rank computes."""
        return self.placement.to_device(vector)

    def spread(self, part: Array, sizes: Sequence[int]) -> Array:
        """See :class:`~gpunet.devices.communicator.Communicator`."""
        return self.to_device(self.engine.spread(self.placement.backend.to_host(part), sizes))

    def wait(self) -> None:
        """Nothing is left to wait for."""


class BetweenDevices:
    """From device to device.

    Parameters
    ----------
    communicator : Communicator
        Connected.
    """

    def __init__(self, communicator: Communicator) -> None:
        self.exchange = communicator.exchange
        self.spread = communicator.spread
        self.wait = communicator.wait

    def to_device(self, vector: Array) -> Array:
        """It is there."""
        return vector


Path = ThroughHost | BetweenDevices


def path_between(engine: Engine, placement: Placement) -> tuple[Path, str | None]:
    """How the arrays of a run go from rank to rank, and in words what a user of a GPU should know of it. Collective.

    They go from device to device where each rank has one of its own, and the backend a communicator for it; else
    through the host.
    """
    host = ThroughHost(engine, placement)
    if engine.size == 1:
        return host, None
    communicator = placement.backend.communicator(placement.device)
    if communicator is None:
        if placement.device.startswith("cpu"):
            return host, None
        return host, f"arrays go through the host: {placement.backend.name} has no other way for teams"
    reason = _unavailable_reason(engine, communicator)
    if reason is not None:
        return host, f"arrays go through the host: {reason}"
    address = communicator.address()
    addresses = engine.gather(address)
    shared = _shared(addresses)
    if shared is not None:
        return host, f"arrays go through the host: {shared}"
    # Connecting takes long. Ranks may have changed devices since the last run, some of them only.
    known = engine.connected
    if all(engine.gather(known is not None and known.address() == address)):
        assert known is not None
        communicator = known
    else:
        identifier = engine.gather(communicator.new_id() if engine.rank == 0 else None)[0]
        communicator.connect(identifier, engine.rank, engine.size)
        engine.connected = communicator
    return BetweenDevices(communicator), f"arrays go from GPU to GPU by {communicator.name}"


def _unavailable_reason(engine: Engine, communicator: Communicator) -> str | None:
    """Why no rank, or one of them, can use it; the same on all of them."""
    if engine.survives:
        return "GPUs that wait for a rank that has died could not go on with the others"
    reasons = engine.gather(communicator.unavailable_reason())
    first = next((rank for rank, reason in enumerate(reasons) if reason is not None), None)
    return None if first is None else f"{reasons[first]} (rank {first})"


def _shared(addresses: Sequence[str]) -> str | None:
    """Which ranks have the same device, in words; None if none do."""
    ranks = defaultdict(list)
    for rank, address in enumerate(addresses):
        ranks[address].append(rank)
    several = [" and ".join(map(str, some)) for some in ranks.values() if len(some) > 1]
    if not several:
        return None
    return f"one GPU is shared by ranks {several[0]}"
