"""Contenders at the same task in turns, A B C A B C, and what comes of it."""

from __future__ import annotations

import statistics

from benchmarks.peers import CONTENDERS, OURS
from benchmarks.team import Failed, LeftOut


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Contest:
    """One cell.

    `ask(name)` returns one turn's figures, a dict; `prepare(name)` is asked first and returns what is known of the
    contender, such as its program. Who fails or has no such thing is noted and takes no further part.
    """

    def __init__(self, names, ask, prepare=lambda name: {}, slow_rounds=None):
        self.ask, self.slow_rounds = ask, slow_rounds
        self.errors, self.left_out, self.about = {}, {}, {}
        self.turns = {name: [] for name in names}
        for name in names:
            self._guarded(name, lambda name=name: self.about.update({name: prepare(name) or {}}))

    def _guarded(self, name, action):
        try:
            action()
        except Failed as error:
            self.errors[name] = str(error)
        except LeftOut as reason:
            self.left_out[name] = str(reason)
        else:
            return
        del self.turns[name]
        if name == "gpunet":
            raise AssertionError(f"gpunet: {self.errors.get(name) or self.left_out[name]}")

    def ours(self):
        """gpunet's turn."""
        self.play("gpunet")

    def others(self):
        """Everybody else's turn."""
        for name in [name for name in self.turns if name != "gpunet"]:
            done = len(self.turns[name])
            if self.slow_rounds is None or not CONTENDERS[name].slow or done < self.slow_rounds:
                self.play(name)

    def play(self, name):
        self._guarded(name, lambda: self.turns[name].append(self.ask(name)))

    def run(self, benchmark, rounds):
        """All rounds under pytest-benchmark: gpunet is what it times, the others go before each round."""
        benchmark.pedantic(self.ours, setup=self.others, rounds=rounds, iterations=1)

    def result(self, figure, more_is_better=True, flops=None, peak=None):
        """Medians and spreads of `figure(turn)`, and gpunet's ratio to each peer, taken round by round."""
        values = {name: [figure(turn) for turn in turns] for name, turns in self.turns.items() if turns}
        contenders = {}
        for name, found in values.items():
            contenders[name] = {"label": CONTENDERS[name].label, **spread(found), **self.about.get(name, {})}
            if flops and peak:
                contenders[name]["share_of_peak"] = contenders[name]["median"] * flops / (1e9 * peak)
        ratios = {}
        for name in values:
            if name != "gpunet":
                pairs = zip(values["gpunet"], values[name], strict=False)
                ratios[name] = spread([a / b if more_is_better else b / a for a, b in pairs])
        peers = [name for name in ratios if name not in OURS]
        # The best peer is the one against whom gpunet looks worst.
        best = min(peers, key=lambda name: ratios[name]["median"]) if peers else None
        return {
            "contenders": contenders,
            "ratios": ratios,
            "best_peer": best,
            "errors": self.errors,
            "left_out": self.left_out,
        }


def per_second(turn):
    """Throughput of a turn."""
    return turn["examples"] / turn["seconds"]
