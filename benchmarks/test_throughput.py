"""Examples a second in training, for each network, batch size and optimizer."""

from benchmarks.cases import throughput_cases as cases  # noqa: F401
from benchmarks.contest import Contest, per_second


def test_throughput(benchmark, suite, case):
    def prepare(name):
        return {"program": suite.team.ask(name, "train", case)}

    contest = Contest(
        suite.those(lambda about: about.trains and (case.for_all or not about.slow)),
        lambda name: suite.team.ask(name, "turn"),
        prepare,
        slow_rounds=2,
    )
    contest.run(benchmark, 3 if case.lasts > 1 else suite.settings.rounds)
    benchmark.extra_info.update(
        kind="throughput",
        net=case.network.title,
        batch=case.batch or "full",
        optimizer=case.optimizer,
        flops=case.network.flops,
        **contest.result(per_second, flops=case.network.flops, peak=suite.peak),
    )
