"""Networks of other libraries as networks of gpunet."""

from __future__ import annotations

from typing import Any

from gpunet.core.losses import LossLike
from gpunet.devices.registry import get_backend
from gpunet.network import Network
from gpunet.network_base import restored


def from_torch(
    module: Any, loss: LossLike | None = None, *, seed: int | None = None, backend: str = "auto"
) -> Network:
    """A PyTorch module as a network, with copies of its weights; ``fit`` trains on from there.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        A stack of Linear, Dropout, Identity, and ReLU, Sigmoid, Tanh, LeakyReLU, ELU, SELU, Softplus, SiLU, GELU (with
        ``approximate="tanh"``), Mish or Softmax; nested nn.Sequential too. Flatten may be the first, LogSoftmax the
        last. In training or evaluation mode, on any device. What :meth:`Network.to_torch` made is one.
    loss : str, Loss or None
        As for :class:`Network`; None chooses it by the output. ``"cross_entropy"`` and ``"logistic"`` take the outputs
        of a last Linear as logits, as PyTorch's losses do: the network ends with softmax or sigmoid.
    seed, backend
        As for :class:`Network`.

    Returns
    -------
    Network
        Its :meth:`~Network.predict` is ``module.eval()(X)``; after LogSoftmax, and for logits, probabilities. A Linear
        without bias has b = 0, which training changes. Frozen parameters (``requires_grad=False``) make frozen layers.

    Raises
    ------
    ValueError
        For a module that is not supported, has a forward hook or shares weights with another, naming it; settings that
        gpunet does not have, and other dtypes than float32 and float64.
    TypeError
        For what is no module.

    Examples
    --------
    >>> import gpunet as gn
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    >>> net = gn.from_torch(module, loss="cross_entropy", backend="numpy")
    >>> [(layer.units, layer.activation) for layer in net.layers]
    [(16, 'relu'), (3, 'softmax')]
    """
    get_backend(backend)
    from gpunet.exchange.libraries import torch

    torch()  # the error says how to install it
    from gpunet.exchange.from_torch import from_module

    return restored(Network, from_module(module, loss, seed), backend)


def from_sklearn(estimator: Any, *, seed: int | None = None, backend: str = "auto") -> Network:
    """A fitted MLPClassifier or MLPRegressor of scikit-learn as a network, with copies of its weights.

    Class names are kept as text, so that :meth:`Network.predict_target` gives them. The solver and the
    penalty `alpha` are not taken over: ``fit`` takes an optimizer, whose ``weight_decay`` also makes weights smaller.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        Fitted. A Pipeline may have a StandardScaler before: it becomes the network's :class:`Standardizer`.
    seed, backend
        As for :class:`Network`.

    Returns
    -------
    Network
        Its :meth:`~Network.predict` is ``predict_proba``, of two classes the column of the second; ``predict`` of a
        regressor, as rows.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    TypeError, ValueError
        For another estimator, or other steps before it; for class names that are empty or have blanks around them.

    Examples
    --------
    >>> import gpunet as gn
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = [[0.0], [0.2], [0.8], [1.0]] * 10, ["low", "low", "high", "high"] * 10
    >>> mlp = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
    >>> gn.from_sklearn(mlp, backend="numpy").predict_target([[0.1], [0.9]]).tolist()
    ['low', 'high']
    """
    get_backend(backend)
    from gpunet.exchange.from_sklearn import from_estimator

    return restored(Network, from_estimator(estimator, seed), backend)
