"""Interleaved rounds: in each round every implementation takes one sample, one after the other."""

from __future__ import annotations

import statistics

from benchmarks.errors import MeasurementFailed, Unsupported
from benchmarks.peers import GPUNETS, IMPLEMENTATIONS


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def throughput(sample):
    """Examples per second of a sample."""
    return sample["examples"] / sample["seconds"]


class InterleavedRounds:
    """The samples of one case.

    An implementation that fails, or does not support the case, is noted and takes no further samples; for gpunet
    itself that is an error.

    Parameters
    ----------
    names : list of str
        Implementations, ``"gpunet"`` among them.
    take_sample : callable ``(name) -> dict``
        Takes one sample; its figures.
    prepare : callable ``(name) -> dict``
        Called once before the first round; what the results store of the implementation, such as its program.
    slow_rounds : int or None
        Samples of implementations that are marked as slow; None for as many as all others take.
    """

    def __init__(self, names, take_sample, prepare=lambda name: {}, slow_rounds=None):
        self.take_sample, self.slow_rounds = take_sample, slow_rounds
        self.errors, self.unsupported, self.details = {}, {}, {}
        self.samples = {name: [] for name in names}
        for name in names:
            self._guarded(name, lambda name=name: self.details.update({name: prepare(name)}))

    def _guarded(self, name, action):
        try:
            action()
        except MeasurementFailed as error:
            self.errors[name] = str(error)
        except Unsupported as reason:
            self.unsupported[name] = str(reason)
        else:
            return
        del self.samples[name]
        if name == "gpunet":
            raise AssertionError(f"gpunet: {self.errors.get(name) or self.unsupported[name]}")

    def sample(self, name):
        self._guarded(name, lambda: self.samples[name].append(self.take_sample(name)))

    def sample_gpunet(self):
        self.sample("gpunet")

    def sample_others(self):
        for name in [name for name in self.samples if name != "gpunet"]:
            enough = self.slow_rounds is not None and len(self.samples[name]) >= self.slow_rounds
            if not (enough and IMPLEMENTATIONS[name].slow):
                self.sample(name)

    def run(self, benchmark, rounds):
        """All rounds, under pytest-benchmark: it times gpunet's sample; the others' is the set-up of each round."""
        benchmark.pedantic(self.sample_gpunet, setup=self.sample_others, rounds=rounds, iterations=1)

    def result(self, figure, more_is_better=True, flops=None, peak=None):
        """Medians and spreads for the results.

        Parameters
        ----------
        figure : callable ``(sample) -> float``
        more_is_better : bool
            A ratio above 1 means that gpunet is better, either way.
        flops : int or None
            Floating-point operations per example, for the fraction of the peak.
        peak : float or None
            The peak in GFLOP/s.
        """
        values = {name: [figure(one) for one in samples] for name, samples in self.samples.items() if samples}
        implementations, ratios = {}, {}
        for name, found in values.items():
            implementations[name] = {
                "label": IMPLEMENTATIONS[name].label,
                **spread(found),
                **self.details.get(name, {}),
            }
            if flops and peak:
                fraction = implementations[name]["median"] * flops / (1e9 * peak)
                implementations[name]["fraction_of_peak"] = fraction
            if name != "gpunet":
                # Round by round: a machine that slows down for a while slows both samples of a round.
                pairs = zip(values["gpunet"], found, strict=False)
                ratios[name] = spread([a / b if more_is_better else b / a for a, b in pairs])
        peers = [name for name in ratios if name not in GPUNETS]
        return {
            "implementations": implementations,
            "ratios": ratios,
            "best_peer": min(peers, key=lambda name: ratios[name]["median"]) if peers else None,
            "errors": self.errors,
            "unsupported": self.unsupported,
        }
