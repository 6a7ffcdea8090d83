"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from gpunet.core.losses import LOSSES, Loss
from gpunet.core.poisson import EXP, POISSON
from gpunet.estimators.base import BaseMLP
from gpunet.estimators.inputs import to_host
from gpunet.estimators.parameters import Allowed, instance, names
from gpunet.estimators.settings import has_epochs

Array = Any


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A dense network for values, in the place of :class:`sklearn.neural_network.MLPRegressor`.

    The parameters up to `max_fun` are scikit-learn's; from the same `random_state` it makes the same steps. The others
    are gpunet's.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "absolute_error"} or Loss, default="squared_error"
        "poisson": half of the Poisson deviance, for counts ``y ≥ 0``; the output is ``e^z``. Another of gpunet's, or
        your own, goes with the identity.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer.
    activation : str, Activation or a sequence of those, default="relu"
        Of the hidden layers: ``identity``, ``logistic``, ``tanh``, ``relu``, or any of gpunet's; a sequence has one for
        each of them.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "lbfgs" takes all examples at once, and suits small sets.
    alpha : float, default=0.0001
        Strength of the L2 penalty: ``½ alpha Σ W²``, divided by the number of a batch's examples (by the sum of their
        weights, if they have some), is added to its loss.
    batch_size : int or "auto", default="auto"
        Examples of an update; "auto" takes 200, or all where there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        For "sgd". "invscaling": ``learning_rate_init / (t + 1)^power_t`` after t examples. "adaptive": a fifth of it
        each time that loss or score has not improved for `n_iter_no_change` epochs.
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
    max_iter : int, default=200
        Epochs at most; iterations for "lbfgs".
    shuffle : bool, default=True
        Draw a new order each epoch.
    random_state : int, RandomState or None, default=None
        Of initial weights, the split for early stopping, shuffling and dropout. The same number gives scikit-learn's
        initial weights, split and order.
    tol : float, default=1e-4
        Smallest change of loss or score that counts as better; of the gradient for "lbfgs".
    verbose : bool, default=False
    warm_start : bool, default=False
        Let ``fit`` go on from the weights that are there.
    momentum : float, default=0.9
        For "sgd".
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Hold out `validation_fraction` of the examples, end the run once their score no longer improves, and go back to
        the best weights.
    validation_fraction : float, default=0.1
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Of Adam.
    n_iter_no_change : int, default=10
        Epochs without improvement before the run ends.
    max_fun : int, default=15000
        Evaluations of the loss at most, for "lbfgs".
    dropout : float or sequence of float, default=0.0
        Rate at which the outputs of hidden layers are set to 0 in training; a sequence has one for each of them. Not
        for "lbfgs".
    standardize : bool or Standardizer, default=False
        Scale the features by mean and deviation of the training part. A sparse X needs
        ``gpunet.Standardizer(center=False)``, which keeps its zeros.
    encode : "auto", TableEncoder or None, default=None
        Let a :class:`gpunet.TableEncoder` read the columns of a DataFrame: categories, dates and missing cells too. It
        standardises numbers itself: not with `standardize`.
    backend : str, default="auto"
        As for :class:`gpunet.Network`: "auto" computes where the arrays are; for data on the host on a GPU if there is
        one that has a program for the plan, else with NumPy.
    dtype : {"float32", "float64"} or None, default=None
        Of weights and computation; None takes that of X if it is one of them, else float64.
    callbacks : callable ``(network, history)`` or sequence of them, default=()
        Called after each epoch, or iteration of "lbfgs", with a :class:`gpunet.Network` of the weights; True ends the
        run. The next epoch begins with the weights that it gives the network; "lbfgs" can't go on with others.
    compile : {"background", "wait", "never"} or None, default=None
        When compiled programs are made on the CPU; None takes what the environment variable ``GPUNET_COMPILE`` says.

    Attributes
    ----------
    coefs_, intercepts_ : list of array
        Weights ``(n[l−1], n[l])`` and biases ``(n[l],)`` of each layer.
    loss_, best_loss_ : float
        Of the last epoch, and the lowest one (None with early stopping). With several outputs squared error is their
        mean here, as in scikit-learn; training minimises their sum.
    loss_curve_ : list of float
        Loss of each epoch.
    validation_scores_, best_validation_score_ : list of float, float
        With early stopping; else None.
    n_iter_, t_ : int
        Epochs or iterations of the last ``fit``, and examples trained on.
    n_features_in_, feature_names_in_
        Columns of X, and their names if it was a DataFrame.
    n_layers_, n_outputs_ : int
    out_activation_ : str
    program_ : str
        What ran the epochs: ``reference``, a backend's own program, or ``SciPy's L-BFGS``.
    encoder_, standardizer_ : TableEncoder, Standardizer
        With `encode` and `standardize`.

    Examples
    --------
    >>> from gpunet.estimators import MLPRegressor
    >>> X = [[x / 50] for x in range(100)]
    >>> model = MLPRegressor(hidden_layer_sizes=16, solver="lbfgs", random_state=0).fit(X, [x * x for x, in X])
    >>> [round(y, 1) for y in model.predict([[0.5], [1.5]]).tolist()]
    [0.2, 2.2]
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        standardize: Any = False,
        encode: Any = None,
        backend: str = "auto",
        dtype: Any = None,
        callbacks: Any = (),
        compile: str | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.standardize = standardize
        self.encode = encode
        self.backend = backend
        self.dtype = dtype
        self.callbacks = callbacks
        self.compile = compile

    def _constraints(self) -> dict[str, list[Allowed]]:
        suitable = [name for name, loss in LOSSES.items() if loss.outputs is None]
        return {"loss": [names((*suitable, "poisson")), instance(Loss, "a Loss")]}

    def _targets(self, y: Any, *, first: bool, incremental: bool) -> Any:
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs y of at least 0")
        return y[:, None] if y.ndim == 1 else y

    def _output(self) -> tuple[Any, Any]:
        return (EXP, POISSON) if self.loss == "poisson" else ("identity", self.loss)

    def _validation_score(self, A: Any, Y: Any, weights: Any) -> float:
        return float(r2_score(Y, A, sample_weight=weights))

    @available_if(has_epochs)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch more; X, y and sample_weight as for :meth:`fit`."""
        self._fit(X, y, sample_weight, dict(vars(self)), incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """The value of each row, ``(m,)``, or ``(m, n[L])`` for several, in the library and on the device of X."""
        A, placement = self._forward(X)
        return self._given_back(A[:, 0] if A.shape[1] == 1 else A, placement, X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R², the share of the variance of y that is explained."""
        return float(r2_score(to_host(y), to_host(self.predict(X)), sample_weight=to_host(sample_weight)))
