"""Examples per second in training on some of the machine's cores: ``--cores 1,2,4``."""

from benchmarks.interleaved import InterleavedRounds, throughput


def test_cores(benchmark, suite, case, cores):
    pool = suite.pool_on(cores)
    measured = InterleavedRounds(
        suite.training(case),
        lambda name: pool.call(name, "time_training"),
        lambda name: {"program": pool.call(name, "prepare_training", case)},
    )
    measured.run(benchmark, suite.settings.rounds)
    benchmark.extra_info.update(
        kind="cores",
        net=case.architecture.title,
        batch=case.batch or "full",
        cores=cores,
        **measured.result(throughput),
    )
