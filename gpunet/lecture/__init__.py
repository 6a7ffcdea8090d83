"""The lecture as runnable experiments: one short script per experiment, each with a figure.

gpunet implements the neural networks of CS229 (Stanford, autumn 2018, lectures 11 and 12). What the lecture
teaches is numbered C1 to C22: the claims. ``CLAIMS.md`` in this folder lists them all, with their equations,
corrections of the notes, code and tests.

Each script demonstrates one or more claims. Its docstring has the claims and the equations; its code uses NumPy
and the public names of ``import gpunet``, so it can be copied. ``gpunet lecture`` lists and runs the scripts.
"""

from gpunet.lecture.experiments import EXPERIMENTS, Experiment, find
from gpunet.lecture.result import Result

__all__ = ["EXPERIMENTS", "Experiment", "Result", "find"]
