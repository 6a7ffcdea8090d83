"""One contender in a process of its own that ends afterwards: its first epoch, or its memory.

``python -m benchmarks.once first_epoch|memory NAME SETTINGS CASE``, both as JSON; prints JSON.
"""

import gc
import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()  # nothing of a contender's is loaded yet
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def first_epoch(name, settings, case):
    """Seconds from the first import to the end of the first epoch, reading the data left out; and of the second."""
    from benchmarks import peers

    Contender = peers.load(name)
    imported = time.perf_counter()
    known = read(settings, case)
    ready = time.perf_counter()
    peer = Contender(case, known, settings.device, settings.threads, settings.backend)
    peer.epoch(case.order(0))
    first = time.perf_counter()
    peer.epoch(case.order(1))
    second = time.perf_counter()
    return {
        "seconds": imported - STARTED + first - ready,
        "importing": imported - STARTED,
        "second_epoch": second - first,
        "program": peer.program,
    }


def memory(name, settings, case):
    """MB of the peak above what is resident with data and weights in place.

    ``workspace``: after a short run on a tenth of the data, so that libraries are loaded. ``with_libraries``:
    that short run's growth as well, which is mostly code loaded when first used.
    """
    from dataclasses import replace

    from benchmarks import peers

    Contender = peers.load(name)

    def make(case, known):
        return Contender(case, known, settings.device, settings.threads, settings.backend)

    known = read(settings, case)
    few = type(known)(known.X[: case.examples // 10], known.Y[: case.examples // 10], *known[2:])
    small = make(replace(case, examples=len(few.X)), few)
    gc.collect()
    before = resident("VmRSS")
    small.epoch(None)
    del small
    peer = make(case, known)
    del known, few
    gc.collect()
    loaded = resident("VmRSS")
    REFERENCES.write_text("5")  # the peak starts anew
    for _ in range(2):
        peer.epoch(None)
    peak = resident("VmHWM")
    return {"workspace": peak - loaded, "with_libraries": peak - before, "program": peer.program}


def read(settings, case):
    from benchmarks import data

    return data.read(settings.folder, case.network.data, case.examples)


def resident(field):
    """A figure of this process's memory in MB (10⁶ bytes)."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def main():
    question, name, settings, case = sys.argv[1:]
    from benchmarks.cases import Case
    from benchmarks.settings import Settings

    answer = {"first_epoch": first_epoch, "memory": memory}[question]
    print(json.dumps(answer(name, Settings(**json.loads(settings)), Case(**json.loads(case)))))


if __name__ == "__main__":
    main()
