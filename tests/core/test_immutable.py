"""Plans and their parts can be dictionary keys and be shared: no attribute changes after construction."""

import dataclasses
import importlib
import pkgutil

import pytest

from gpunet import core
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.initializers import Constant
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES
from gpunet.core.optimizers import Adam, AdamW, GradientDescent, RMSprop
from gpunet.core.plan import Layer, Plan
from gpunet.core.schedules import Cosine, Exponential, InverseTime, Ramp, Scaled

PLAN = Plan((Layer(3, 2, "relu"),), "squared_error", GradientDescent(), examples=4, batch_size=2)
VALUES = [
    ACTIVATIONS["relu"],
    Constant(0.5),
    Dense(3),
    Dropout(0.2),
    LOSSES["logistic"],
    GradientDescent(),
    RMSprop(),
    Adam(),
    AdamW(),
    Cosine(0.1),
    Exponential(0.1, 0.5),
    InverseTime(0.1, 50),
    Ramp(0.1, 0.2, 5),
    Scaled(Cosine(0.1), 0.5),
    PLAN.layers[0],
    PLAN,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_immutable(value):
    for field in dataclasses.fields(value):
        before = getattr(value, field.name)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, before)
    assert hash(value) == hash(dataclasses.replace(value))


def test_all_dataclasses_of_core_are_in_the_list():
    modules = [importlib.import_module(f"gpunet.core.{m.name}") for m in pkgutil.iter_modules(core.__path__)]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    assert found == {type(value) for value in VALUES}
