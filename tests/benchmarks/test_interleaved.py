"""Interleaved rounds: who takes samples, and the ratios that come of them."""

import pytest

from benchmarks.errors import MeasurementFailed, Unsupported
from benchmarks.interleaved import InterleavedRounds, throughput


def rounds_of(seconds, **options):
    """Rounds in which each implementation's samples take the given seconds."""
    left = {name: iter(values) for name, values in seconds.items()}
    return InterleavedRounds(
        list(seconds), lambda name: {"examples": 12, "seconds": next(left[name])}, **options
    )


def play(measured, rounds):
    for _ in range(rounds):
        measured.sample_others()
        measured.sample_gpunet()
    return measured


SECONDS = {
    "gpunet": (1.0, 2.0, 1.0),
    "gpunet_reference": (1.0, 1.0, 1.0),
    "textbook": (3.0, 4.0, 4.0),
    "jax_scan": (1.5, 4.0, 6.0),
}


def test_ratios_are_taken_round_by_round():
    result = play(rounds_of(SECONDS), 3).result(throughput, flops=10, peak=1e-9)
    assert result["ratios"]["textbook"] == {"median": 3.0, "min": 2.0, "max": 4.0}
    assert result["ratios"]["jax_scan"] == {"median": 2.0, "min": 1.5, "max": 6.0}
    assert result["best_peer"] == "jax_scan"  # the reference is no peer
    assert result["implementations"]["gpunet"]["median"] == 12.0
    assert result["implementations"]["gpunet"]["fraction_of_peak"] == pytest.approx(120.0)


def test_where_less_is_better_a_ratio_above_1_still_means_that_gpunet_is_better():
    result = play(rounds_of(SECONDS), 3).result(lambda sample: sample["seconds"], more_is_better=False)
    assert result["ratios"]["textbook"]["median"] == 3.0


def test_slow_implementations_take_fewer_samples():
    measured = play(rounds_of(SECONDS, slow_rounds=2), 3)
    assert {name: len(samples) for name, samples in measured.samples.items()} == {
        "gpunet": 3, "gpunet_reference": 2, "textbook": 3, "jax_scan": 3,
    }  # fmt: skip


def test_failures_and_unsupported_cases_are_noted():
    def prepare(name):
        if name == "textbook":
            raise MeasurementFailed("it is broken")
        if name == "jax_scan":
            raise Unsupported("it has no such thing")
        return {"program": name}

    result = play(rounds_of(SECONDS, prepare=prepare), 3).result(throughput)
    assert result["errors"] == {"textbook": "it is broken"}
    assert result["unsupported"] == {"jax_scan": "it has no such thing"}
    assert result["implementations"]["gpunet"]["program"] == "gpunet"
    assert list(result["ratios"]) == ["gpunet_reference"] and result["best_peer"] is None


def test_a_failure_of_gpunet_fails_the_benchmark():
    def take_sample(name):
        raise MeasurementFailed("it is broken")

    with pytest.raises(AssertionError, match="gpunet: it is broken"):
        InterleavedRounds(["gpunet"], take_sample).sample_gpunet()
