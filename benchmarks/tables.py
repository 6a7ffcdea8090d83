"""Which cases each table measures: all of them, a few in quick mode, and those that are worth measuring on a GPU."""

from __future__ import annotations

from benchmarks.cases import Case
from benchmarks.settings import device_of

BATCHES = (1, 8, 32, 128, 1000, None)
SHORT_RUN = 1000  # epochs of 200 rows, all of which gpunet runs in plain NumPy


def throughput_cases(quick):
    if quick:
        return [
            *(Case("shallow", batch) for batch in (1, 32, 1000)),
            Case("shallow-noisy", 1000),
            Case("deep", 128),
        ]
    return [
        *(Case(net, batch) for net in ("shallow", "deep") for batch in BATCHES),
        *(
            Case(net, batch, optimizer)
            for net in ("shallow", "deep")
            for optimizer in ("momentum", "adam")
            for batch in (128, 1000)
        ),
        *(Case("shallow-noisy", batch) for batch in BATCHES),
        *(Case("deep-noisy", batch) for batch in (1, 32, 1000)),
        *(Case(net, batch) for net in ("neuron", "hidden") for batch in (1, 32, 1000, None)),
        *(
            Case("table", None, optimizer, examples=200, epochs=epochs)
            for optimizer in ("plain", "adam")
            for epochs in (SHORT_RUN, None)
        ),
        *(
            Case("shallow", batch, precision=precision)
            for precision in ("tf32", "bfloat16")
            for batch in (1000, None)
        ),
    ]


def inference_cases(quick):
    """`batch` is the number of rows per call; the optimizer is not used."""
    from_host = Case("shallow", 1, from_host=True)
    if quick:
        return [*(Case("shallow", batch) for batch in (1, 10_000)), from_host]
    return [
        *(Case(net, batch) for net in ("shallow", "deep") for batch in (1, 10_000)),
        Case("shallow-noisy", 10_000),
        from_host,
    ]


def equal_weights_cases(quick):
    """Few steps, because rounding errors grow at the kink of ReLU and in Adam's quotient.

    But enough examples that gpunet runs a compiled program: short epochs start in its reference program, which would
    be compared with itself. The results name the program.
    """
    cases = [
        Case("shallow", 1, examples=1500),
        Case("shallow", 32, examples=5000),
        Case("shallow", 128, examples=5000),
        Case("deep", 128, examples=5000),
        Case("shallow-noisy", 128, examples=5000),
        Case("shallow", 128, "momentum", examples=5000),
        Case("shallow", 128, "adam", examples=5000),
        Case("hidden", 32, examples=30_000),
        Case("neuron", 1, examples=2000),
        Case("shallow", None, examples=5000),
    ]
    return cases[:2] if quick else cases


def first_epoch_cases(quick):
    """Short epochs: the table is about what comes before the first one is over."""
    return [Case("shallow", 32)] if quick else [Case("shallow", 1, examples=5000), Case("shallow", 32)]


def cores_cases(quick):
    """No zeros in the data: nothing to compute can be skipped, here or there."""
    if quick:
        return [Case("shallow-noisy", 1000)]
    return [
        *(Case("shallow-noisy", batch) for batch in (1, 32, 128, 1000, None)),
        *(Case("deep-noisy", batch) for batch in (128, 1000, None)),
    ]


def memory_cases(quick):
    return [Case("shallow", None, examples=m) for m in ((60_000,) if quick else (60_000, 240_000))]


def time_to_98_cases(quick):
    """Several settings for mini-batches: the report takes the best one of each implementation."""
    if quick:
        return [Case("shallow", 16, "momentum", 1.0)]
    return [
        Case("shallow", 1, "plain", 0.07),
        Case("shallow", 8, "plain", 0.5),
        Case("shallow", 16, "plain", 0.7),
        Case("shallow", 16, "momentum", 1.0),
        Case("shallow", 32, "adam", 2e-3),
        Case("shallow", 256, "adam", 1e-2),
        Case("shallow", None, "adam", 4e-2),
    ]


def safeguard_cases(quick):
    cases = [Case("shallow", 32), Case("deep", 128, "adam"), Case("shallow", None)]
    return cases[:1] if quick else cases


def stream_cases(quick):
    cases = [
        ("shallow", 32),
        ("shallow", 128, "adam"),
        ("shallow", 1000),
        ("shallow", None),
        ("deep", 128, "adam"),
    ]
    if quick:
        return [Case("shallow", 1000, examples=60_000)]
    return [Case(*case, examples=240_000) for case in cases]


TABLES = {
    "test_throughput": throughput_cases,
    "test_inference": inference_cases,
    "test_equal_weights": equal_weights_cases,
    "test_first_epoch": first_epoch_cases,
    "test_memory": memory_cases,
    "test_safeguards": safeguard_cases,
    "test_streams": stream_cases,
    "test_time_to_98": time_to_98_cases,
    "test_cores": cores_cases,
}


def measured_on_gpu(table, case):
    if table == "test_throughput":
        some = {("shallow", 128, "adam"), ("shallow", 1000, "momentum"), ("deep", 1000, "adam")}
        wanted = case.optimizer == "plain" or (case.net, case.batch, case.optimizer) in some
        return case.net in ("shallow", "deep") and case.batch != 8 and wanted
    if table == "test_equal_weights":
        return case.net in ("shallow", "deep") and case.optimizer != "momentum"
    if table == "test_inference":
        return case.net == "shallow"
    if table == "test_time_to_98":
        return case.batch != 8
    # Cores and memory are the host's. The first epoch is mostly the time that libraries take to find the GPU.
    return table in ("test_safeguards", "test_streams")


def cases_of(table, quick, backend):
    """The cases of the test module `table` for gpunet's backend `backend`."""
    cases = TABLES[table](quick)
    if device_of(backend) == "cuda":
        return [case for case in cases if measured_on_gpu(table, case)]
    # The host is the device, and has float32 only.
    return [case for case in cases if not case.from_host and case.precision == "float32"]
