"""The lecture, runnable: one short script for each claim, with a picture.

Every script has a claim, an equation and code, in that order, and can be copied: it uses NumPy and what
``import gpunet`` offers. ``gpunet lecture`` runs them.
"""

from gpunet.lecture.experiments import EXPERIMENTS, Experiment, find
from gpunet.lecture.result import Result

__all__ = ["EXPERIMENTS", "Experiment", "Result", "find"]
