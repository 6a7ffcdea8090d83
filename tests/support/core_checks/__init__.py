"""Checks of the formulas in core/ against formulas written out again, example by example, in another way.

Each check takes a *room*: the modules to look at. The real tests hand in gpunet's own; the planted-bug tests
hand in copies with one formula spoilt, and want at least one check to fail.
"""

import importlib
from types import SimpleNamespace

from core_checks.data import check_metrics, check_standardizer
from core_checks.descent import check_descent, check_dropout, check_stateful_descent, small_plan, wellons_mask
from core_checks.gradients import (
    central_differences,
    check_gradients,
    check_hidden_gradients,
    numerical_gradients,
    outputs_of,
    problem,
    relative_error,
)
from core_checks.initializers import VARIANCES, check_initializers
from core_checks.update_rules import (
    GRADIENTS,
    check_clipping,
    check_optimizers,
    check_schedules,
    check_weight_decay,
    optimizer_trajectories,
)
from core_checks.values import (
    FORMULAS,
    check_activation_values,
    check_loss_values,
    check_natural_pairs,
    check_one_layer,
    check_stability,
    textbook_loss,
)

__all__ = [
    "CHECKS",
    "FORMULAS",
    "GRADIENTS",
    "MODULES",
    "VARIANCES",
    "central_differences",
    "check_schedules",
    "numerical_gradients",
    "optimizer_trajectories",
    "outputs_of",
    "problem",
    "relative_error",
    "room_of",
    "small_plan",
    "textbook_loss",
    "wellons_mask",
]

MODULES = {
    name: f"core.{name}"
    for name in (
        "activations",
        "losses",
        "initializers",
        "dropout",
        "propagation",
        "schedules",
        "optimizers",
        "plan",
        "program",
        "reference",
        "accuracy",
    )
} | {"standardizer": "inputs.standardizer"}


def room_of(package):
    """The modules of `package` that the checks look at, as attributes."""
    return SimpleNamespace(
        **{name: importlib.import_module(f"{package}.{path}") for name, path in MODULES.items()}
    )


CHECKS = [  # the quick ones first
    check_activation_values,
    check_loss_values,
    check_one_layer,
    check_natural_pairs,
    check_stability,
    check_initializers,
    check_optimizers,
    check_weight_decay,
    check_clipping,
    check_schedules,
    check_dropout,
    check_descent,
    check_stateful_descent,
    check_standardizer,
    check_metrics,
    check_hidden_gradients,
    check_gradients,
]
