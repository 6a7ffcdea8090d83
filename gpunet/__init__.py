"""Dense neural networks on any array library that follows the Array API standard, with the equations of a lecture.

The subpackages, from the bottom up: `core` holds the formulas, for any array library; `devices` finds backends;
`tables` and `inputs` check data; `teams` are several processes; `files` reads and writes networks; `training` runs the
epochs; `network` is the public class. The lecture is Andrew Ng's CS229, neural networks (Stanford, autumn 2018); C1 to
C22 number its claims (``gpunet/lecture/CLAIMS.md``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gpunet.conversion import from_sklearn, from_torch
from gpunet.core.activations import Activation
from gpunet.core.initializers import Constant
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import Loss
from gpunet.core.optimizers import Adam, AdamW, GradientDescent, Optimizer, RMSprop
from gpunet.core.schedules import Cosine, Exponential, InverseTime
from gpunet.devices.backend import Backend
from gpunet.devices.registry import BackendInfo, get_backend, list_backends
from gpunet.errors import (
    AnotherRun,
    BackendUnavailable,
    CheckpointDamaged,
    CheckpointNotWritten,
    ColumnsIgnored,
    Diverged,
    FileRefused,
    FolderInUse,
    FunctionsNotSaved,
    OutOfMemory,
    RankFailed,
    RanksDiffer,
    RowsLeftOut,
    TeamError,
    UndefinedMetric,
    UnscaledInputs,
)
from gpunet.inputs.standardizer import Standardizer
from gpunet.network import Network, load
from gpunet.teams.team import Team
from gpunet.training.checkpoint import Checkpoint
from gpunet.training.history import History
from gpunet.training.logs import CSVLog, JSONLog
from gpunet.training.monitors import EarlyStopping, SaveNetwork
from gpunet.training.plateau import ReduceOnPlateau
from gpunet.training.rate_finder import find_learning_rate
from gpunet.training.trackers import MLflowLog, TensorBoardLog, WandbLog
from gpunet.version import VERSION

if TYPE_CHECKING:
    from gpunet import datasets
    from gpunet.tables import TableEncoder

__version__ = VERSION

__all__ = [
    "Activation",
    "Adam",
    "AdamW",
    "AnotherRun",
    "Backend",
    "BackendInfo",
    "BackendUnavailable",
    "CSVLog",
    "Checkpoint",
    "CheckpointDamaged",
    "CheckpointNotWritten",
    "ColumnsIgnored",
    "Constant",
    "Cosine",
    "Dense",
    "Diverged",
    "Dropout",
    "EarlyStopping",
    "Exponential",
    "FileRefused",
    "FolderInUse",
    "FunctionsNotSaved",
    "GradientDescent",
    "History",
    "InverseTime",
    "JSONLog",
    "Loss",
    "MLflowLog",
    "Network",
    "Optimizer",
    "OutOfMemory",
    "RMSprop",
    "RankFailed",
    "RanksDiffer",
    "ReduceOnPlateau",
    "RowsLeftOut",
    "SaveNetwork",
    "Standardizer",
    "TableEncoder",
    "Team",
    "TeamError",
    "TensorBoardLog",
    "UndefinedMetric",
    "UnscaledInputs",
    "WandbLog",
    "datasets",
    "find_learning_rate",
    "from_sklearn",
    "from_torch",
    "get_backend",
    "list_backends",
    "load",
]


# What other libraries call it, or where it is.
_ELSEWHERE = {
    "SGD": "gpunet.GradientDescent; with a momentum β, SGD's learning rate divided by 1 − β gives the same steps",
    "Linear": "gpunet.Dense, whose argument is the number of its units",
    "Sequential": "gpunet.Network, with a list of layers",
    "Model": "gpunet.Network, with a list of layers",
    "StandardScaler": "gpunet.Standardizer",
    "ModelCheckpoint": "gpunet.SaveNetwork, and gpunet.Checkpoint to go on with a run",
    "MLPClassifier": "MLPClassifier of gpunet.estimators: from gpunet.estimators import MLPClassifier",
    "MLPRegressor": "MLPRegressor of gpunet.estimators: from gpunet.estimators import MLPRegressor",
    "read_table": "gpunet.datasets.read_table",
    "estimators": "a module of its own: import gpunet.estimators",
}


def __getattr__(name: str) -> Any:
    """Import data sets and tables on first use: most scripts bring their own arrays."""
    if name == "datasets":
        return importlib.import_module("gpunet.datasets")
    if name == "TableEncoder":
        return importlib.import_module("gpunet.tables").TableEncoder
    hint = f"; it is {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'gpunet' has no attribute {name!r}{hint}")
