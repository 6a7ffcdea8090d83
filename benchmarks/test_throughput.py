"""Examples per second in training, for each architecture, batch size and optimizer."""

from benchmarks.interleaved import InterleavedRounds, throughput

SLOW_ROUNDS = 2  # of implementations that are marked as slow


def test_throughput(benchmark, suite, case):
    measured = InterleavedRounds(
        suite.training(case),
        lambda name: suite.pool.call(name, "time_training"),
        lambda name: {"program": suite.pool.call(name, "prepare_training", case)},
        SLOW_ROUNDS,
    )
    measured.run(benchmark, suite.settings.rounds)
    flops = case.architecture.flops_per_example
    benchmark.extra_info.update(
        kind="throughput",
        net=case.architecture.title,
        batch=case.batch or "full",
        optimizer=case.optimizer,
        precision=case.precision,
        run_epochs=case.epochs,
        flops=flops,
        **measured.result(throughput, flops=flops, peak=suite.peak),
    )
