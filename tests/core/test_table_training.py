"""The default training of tables: a rule of the number of rows."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.table_training import UPDATES, epochs_for, table_optimizer, table_weight_decay


@pytest.mark.parametrize(
    ("updates", "steps", "epochs"), [(5000, 1, 300), (5000, 17, 295), (5000, 50, 100), (2000, 938, 20)]
)
def test_epochs_make_so_many_updates(updates, steps, epochs):
    assert epochs_for(updates, steps) == epochs
    assert UPDATES == 5000  # what the results in benchmarks/ were made with


@pytest.mark.parametrize(("rows", "decay"), [(1, 5.0), (250, 4.0), (2000, 0.5), (5000, 0.2), (50_000, 0.2)])
def test_few_rows_get_more_weight_decay(rows, decay):
    assert table_weight_decay(rows, [256]) == decay


@pytest.mark.parametrize(("units", "factor"), [((64,), 0.5), ((512, 16), 0.25), ((1024,), 2.0), ((), 0.0)])
def test_narrow_layers_get_less_weight_decay(units, factor):
    assert table_weight_decay(1000, units) == factor


def test_the_optimizer():
    assert table_optimizer(800, [gn.Dense(256, "relu")]) == gn.AdamW(gn.Cosine(0.002), weight_decay=1.25)
    assert table_optimizer(800, [gn.Dense(9, "tanh"), gn.Dense(9, "sigmoid")]).learning_rate == gn.Cosine(
        0.005
    )


def test_a_narrow_network_still_reaches_its_targets():
    """A decay that suits 256 units would keep one of 4 units from following a straight line."""
    x = np.linspace(-2, 2, 600)
    rows = {"x": x, "y": 3 * x}
    table = gn.datasets.read_table(rows, target="y")
    for hidden in ((), (4,), (256,)):
        net = gn.Network.for_table(table, hidden=hidden, seed=0, backend="numpy")
        net.fit(table)
        assert np.mean((net.predict_target(table) - rows["y"]) ** 2) < 0.05 * np.var(rows["y"])
