"""What more ranks would gain: the parts of a team's step, measured, and put together for any number of ranks.

``mpiexec -n 2 python -m benchmarks.team --batch 8192 --ranks 2,8,64,1024`` prints a table. On one computer it measures
shared memory; with one rank per computer, their network. The model is explained in docs/how-to/many-processes.md.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import TrainState
from gpunet.core.reference import Batch, batch_gradients
from gpunet.devices.placement import host_placement
from gpunet.teams.paths import ThroughHost
from gpunet.teams.total import TreeTotal
from gpunet.teams.updates import SectionUpdate
from gpunet.teams.vectors import Layout

SAMPLES = 7  # of which the fastest counts
SHORT = 16  # numbers per rank of a message whose time is latency
RANKS = "1,2,4,8,16,64,1024"


def fastest(function):
    """Seconds of the fastest of some calls."""
    function()
    found = []
    for _ in range(SAMPLES):
        begun = time.perf_counter()
        function()
        found.append(time.perf_counter() - begun)
    return min(found)


def plan_of(sizes, batch):
    """A network of relu layers with a softmax output, and Adam."""
    last = len(sizes) - 2
    layers = tuple(
        Layer(inputs, units, "softmax" if l == last else "relu")
        for l, (inputs, units) in enumerate(pairwise(sizes))
    )
    return Plan(layers, "cross_entropy", gn.Adam(), batch, batch)


def state_of(plan, rng):
    """Weights, and slots of zeros."""
    parameters = [
        (
            rng.standard_normal((layer.units, layer.inputs), np.float32) / layer.inputs**0.5,
            np.zeros((layer.units, 1), np.float32),
        )
        for layer in plan.layers
    ]
    slots = [
        tuple(tuple(np.zeros_like(p) for _ in range(plan.optimizer.slots)) for p in pair)
        for pair in parameters
    ]
    return TrainState(parameters, slots)


def gradient_seconds(plan, state, layout, examples, rng):
    """Of one lane with so many examples, on one core."""
    X = rng.standard_normal((examples, plan.layers[0].inputs), np.float32)
    Y = np.eye(plan.layers[-1].units, dtype=np.float32)[rng.integers(0, plan.layers[-1].units, examples)]
    batch = Batch(X.T, Y.T, None, None, None)

    def lane():
        layout.vector(*batch_gradients(np, plan, state.parameters, batch))

    return gn.get_backend("numpy").on_one_core(fastest, lane)


def total_of(team, lanes, length):
    """The sums of a team on CPUs."""
    return TreeTotal(team.engine, lanes, length, ThroughHost(team.engine, host_placement()))


def update_seconds(plan, state, layout):
    """Of a whole update, on one core."""
    alone = gn.Team("alone", lanes=1)
    update = SectionUpdate(plan, layout, total_of(alone, 1, layout.length), state)
    gradients, c = layout.vector(None, state.parameters), np.array(plan.optimizer.coefficients(0, 1, 0), "f4")
    return fastest(lambda: update(gradients, c))


def exchange_seconds(team, length):
    """Of the exchange of vectors so long, without the gradients."""
    total = total_of(team, team.size, length)
    vector = np.ones(length, np.float32)

    def exchange():
        total.whole(total(lambda node: vector.copy() if len(node) == 1 else None))

    return max(team.gather(fastest(exchange)))


def network_of(team, length):
    """Latency of a message in seconds, and bytes per second of one rank, from exchanges of two sizes."""
    if team.size == 1:
        return None, None
    short, long = exchange_seconds(team, SHORT * team.size), exchange_seconds(team, length)
    latency = short / (2 * (team.size - 1))
    moved = 2 * (team.size - 1) / team.size * 4 * length
    return latency, moved / max(long - short, 1e-9)


def step_seconds(ranks, lanes, lane, update, length, latency, bandwidth):
    """``T(R)`` of docs/how-to/many-processes.md."""
    exchange = 0.0
    if ranks > 1:
        exchange = 2 * (ranks - 1) * latency + 2 * (ranks - 1) / ranks * 4 * length / bandwidth
    return math.ceil(lanes / ranks) * lane + update / ranks + exchange


def main():
    """Measure on every rank; print on the first."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{Path(__file__).stem}", description=__doc__)
    numbers = "numbers with commas between them"
    parser.add_argument("--layers", default="784,1024,1024,10", help=f"inputs and units: {numbers}")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument(
        "--lanes", type=int, default=8, help="or as many as there are ranks, if these are more"
    )
    parser.add_argument("--ranks", default=RANKS, help=f"to work out: {numbers}")
    parser.add_argument(
        "--latency", type=float, help="of a message, in seconds, in the place of the measured one"
    )
    parser.add_argument("--bandwidth", type=float, help="of one rank, in bytes per second, likewise")
    options = parser.parse_args()
    ranks = [int(one) for one in options.ranks.split(",")]
    if max(options.lanes, *ranks) > options.batch:
        parser.error(f"a batch of {options.batch} has fewer examples than {max(options.lanes, *ranks)} lanes")
    rng = np.random.default_rng(0)
    team = gn.Team("auto", lanes=1024)
    plan = plan_of([int(one) for one in options.layers.split(",")], options.batch)
    state, layout = state_of(plan, rng), Layout(plan, host_placement())
    latency, bandwidth = network_of(team, layout.length)
    latency, bandwidth = options.latency or latency, options.bandwidth or bandwidth
    if team.rank > 0:
        return
    if latency is None or bandwidth is None:
        parser.error("one rank has no network: start it with mpiexec -n 2, or give --latency and --bandwidth")
    update = update_seconds(plan, state, layout)
    print(
        f"{layout.length - 1:,} weights, batches of {options.batch:,}, {team.engine.name} with {team.size} ranks"
    )
    print(
        f"latency {1e6 * latency:.1f} µs, bandwidth {1e-9 * bandwidth:.2f} GB/s, update {1e3 * update:.2f} ms\n"
    )
    print("  ranks  lanes  ms per lane  ms per update  examples/s  speed-up")
    first = None
    for count in ranks:
        lanes = max(options.lanes, count)
        lane = gradient_seconds(plan, state, layout, math.ceil(options.batch / lanes), rng)
        seconds = step_seconds(count, lanes, lane, update, layout.length, latency, bandwidth)
        first = first or seconds
        print(
            f"{count:7,}{lanes:7,}{1e3 * lane:13.3f}{1e3 * seconds:15.2f}{options.batch / seconds:12,.0f}"
            f"{first / seconds:10.1f}"
        )


if __name__ == "__main__":
    main()
