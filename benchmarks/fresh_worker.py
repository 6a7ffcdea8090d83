"""Measures one implementation once and ends: its first epoch, or its peak memory.

``python -m benchmarks.fresh_worker first_epoch|memory NAME SETTINGS CASE``, the last two as JSON; prints JSON.
"""

import gc
import json
import sys
import time

STARTED = time.perf_counter()  # before NumPy or any of the implementation's libraries is imported


def first_epoch(name, settings, case):
    """Seconds from the first import to the end of the first epoch, without reading the data; and of the second."""
    from benchmarks import peers

    Implementation = peers.load(name)
    imported, processor_imported = time.perf_counter(), time.process_time()
    data = read(settings, case)
    ready, processor_ready = time.perf_counter(), time.process_time()
    implementation = Implementation(case, data, settings)
    implementation.train_epoch(case.order(0))
    first, processor_first = time.perf_counter(), time.process_time()
    implementation.train_epoch(case.order(1))
    second = time.perf_counter()
    return {
        "seconds": imported - STARTED + first - ready,
        # Of all threads, and from the start of the process: other processes make the clock's seconds longer, not these
        "processor_seconds": processor_imported + processor_first - processor_ready,
        "importing": imported - STARTED,
        "second_epoch": second - first,
        "program": implementation.program,
    }


def memory(name, settings, case):
    """MB of the peak of two epochs above what is resident before.

    ``workspace`` is above libraries, data and weights: an epoch on a tenth of the data has run before, so that code
    which is loaded at its first use is loaded. ``with_libraries`` counts that code and that epoch too.
    """
    from dataclasses import replace

    from benchmarks import peers, process_memory

    Implementation = peers.load(name)
    data = read(settings, case)
    fewer = case.examples // 10
    small_data = data._replace(X=data.X[:fewer], Y=data.Y[:fewer])
    small = Implementation(replace(case, examples=fewer), small_data, settings)
    gc.collect()
    before = process_memory.resident_mb()
    small.train_epoch(None)
    del small
    implementation = Implementation(case, data, settings)
    del data, small_data
    gc.collect()
    loaded = process_memory.resident_mb()
    process_memory.reset_peak()
    for _ in range(2):
        implementation.train_epoch(None)
    peak = process_memory.peak_mb()
    return {
        "workspace": peak - loaded,
        "with_libraries": peak - before,
        "program": implementation.program,
    }


def read(settings, case):
    from benchmarks import datasets

    return datasets.read(settings.folder, case.architecture.dataset, case.examples)


def main():
    quantity, name, settings, case = sys.argv[1:]
    from benchmarks.cases import Case
    from benchmarks.settings import Settings

    measure = {"first_epoch": first_epoch, "memory": memory}[quantity]
    print(json.dumps(measure(name, Settings(**json.loads(settings)), Case(**json.loads(case)))))


if __name__ == "__main__":
    main()
