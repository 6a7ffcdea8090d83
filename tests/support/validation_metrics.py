"""Small networks, and metrics of them on validation data."""

import gpunet as gn

M, N = 40, 3


def network(units, activation, name="numpy", **more):
    return gn.Network([gn.Dense(units, activation)], seed=1, backend=name, **more)


def fitted(net, X, y, metrics, **more):
    """Two epochs; the figures of the last one."""
    history = net.fit(X, y, epochs=2, batch_size=8, validation_data=(X, y), metrics=metrics, **more)
    assert [len(values) for values in history.val_metrics.values()] == [2] * len(history.val_metrics)
    return {name: values[-1] for name, values in history.val_metrics.items()}
