"""The lecture as runnable experiments: one short script per experiment, each with a figure and an exercise.

gpunet implements the neural networks of CS229 (Stanford, autumn 2018, lectures 11 and 12). What the lecture
teaches is numbered C1 to C22: the claims. ``CLAIMS.md`` in this folder lists them all, with their equations,
corrections of the notes, code and tests.

Each script in ``scripts/`` demonstrates one or more claims. Its docstring has the claims and the equations; its code
uses NumPy and public names, so it runs wherever it is copied to: it prints measured values, and the sentences that
follow from them. ``drawings/`` has the figures. ``gpunet lecture`` lists and runs the experiments.
"""

from gpunet.lecture.experiments import EXPERIMENTS, Experiment, find
from gpunet.lecture.result import Result
from gpunet.lecture.sentence import (
    Sentence,
    at_least,
    at_most,
    bound,
    equality,
    fixed,
    number,
    percent,
    power,
)

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Result",
    "Sentence",
    "at_least",
    "at_most",
    "bound",
    "equality",
    "find",
    "fixed",
    "number",
    "percent",
    "power",
]
