"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from gpunet.core.losses import LOSSES, Loss
from gpunet.core.output import loss_for, output_for
from gpunet.estimators.base import BaseMLP
from gpunet.estimators.inputs import foreign_backend, to_host
from gpunet.estimators.parameters import NONE, Allowed, instance, interval, names
from gpunet.estimators.settings import has_epochs
from gpunet.exchange.targets import target_of_classes
from gpunet.inputs.example_weights import balanced_weights
from gpunet.inputs.label_smoothing import smoothed
from gpunet.tables.target import Target

Array = Any


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A dense network for classes, in the place of :class:`sklearn.neural_network.MLPClassifier`.

    The parameters up to `max_fun` are scikit-learn's; from the same `random_state` it makes the same steps. The others
    are gpunet's. scikit-learn clips probabilities in its loss, gpunet does not: where some are almost 0, as on data
    that are not scaled, its `loss_` is larger, and training may end after another number of epochs.

    Parameters
    ----------
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
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, by its label, times `sample_weight`. "balanced": ``m / (classes · count of the class)``,
        where m and count are sums of `sample_weight`, if it is given.
    label_smoothing : float, default=0.0
        ε: targets are ``(1 − ε) y + ε / K`` for K classes, ``(1 − ε) y + ε / 2`` for sigmoid outputs.
    loss : str or Loss, default="log_loss"
        "log_loss" is cross-entropy for several classes, else logistic loss; or another of gpunet's, or your own.
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
    classes_ : array
        Labels, in the order of the columns of :meth:`predict_proba`.
    coefs_, intercepts_ : list of array
        Weights ``(n[l−1], n[l])`` and biases ``(n[l],)`` of each layer.
    loss_, best_loss_ : float
        Of the last epoch, and the lowest one (None with early stopping).
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
    >>> from gpunet.estimators import MLPClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 25, ["no", "yes", "yes", "no"] * 25
    >>> model = MLPClassifier(16, solver="lbfgs", random_state=0).fit(X, y)
    >>> model.predict([[0.0, 1.0], [1.0, 1.0]]).tolist()
    ['yes', 'no']
    """

    def __init__(
        self,
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
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        loss: Any = "log_loss",
        standardize: Any = False,
        encode: Any = None,
        backend: str = "auto",
        dtype: Any = None,
        callbacks: Any = (),
        compile: str | None = None,
    ) -> None:
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.loss = loss
        self.standardize = standardize
        self.encode = encode
        self.backend = backend
        self.dtype = dtype
        self.callbacks = callbacks
        self.compile = compile

    def _constraints(self) -> dict[str, list[Allowed]]:
        return {
            "class_weight": [names(("balanced",)), instance(Mapping, "an instance of 'dict'"), NONE],
            "label_smoothing": [interval(0, 1)],
            "loss": [names(("log_loss", *LOSSES)), instance(Loss, "a Loss")],
        }

    # --- targets --------------------------------------------------------------------------------------

    def _targets(self, y: Any, *, first: bool, incremental: bool) -> Any:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            classes = unique_labels(y)
            if self.warm_start and set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
            if not np.isin(classes, self.classes_).all():
                raise ValueError(
                    f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
                )
        Y = self._one_hot(y)
        return smoothed(Y.T, self.label_smoothing, "classes", self._output()[0]).T

    def _one_hot(self, y: Any) -> Any:
        """What the binarizer makes of y, as booleans; for known classes without its checks, which come once more."""
        if y.ndim != 1:
            return self._label_binarizer.transform(y).astype(bool)
        numbers, count = np.searchsorted(self.classes_, y)[:, None], len(self.classes_)
        return numbers == (np.arange(count) if count > 2 else 1)

    def _output(self) -> tuple[Any, Any]:
        output = output_for("labels" if self._has_labels() else "classes", len(self.classes_))
        return output.activation, loss_for(output, None) if self.loss == "log_loss" else self.loss

    def _has_labels(self) -> bool:
        """Whether y has several labels at once, in place of exclusive classes."""
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    def _target(self) -> Target | None:
        if self._has_labels() or len(self.classes_) < 2:
            return None
        return target_of_classes(self.classes_.tolist())

    def _strata(self, Y: Any) -> Any:
        return Y > 0.5 if self.n_outputs_ == 1 else None

    def _class_weighted(self, y: Any, weights: Any) -> Any:
        if self.class_weight is None:
            return weights
        if y.ndim != 1:
            raise ValueError(
                "class_weight needs one class for each example; y has several labels: use sample_weight"
            )
        if isinstance(self.class_weight, str):  # "balanced"
            _, of_example = np.unique(y, return_inverse=True)
            of_class = balanced_weights(np.bincount(of_example, weights))
        else:  # partial_fit may see some of the classes only
            of_example = np.searchsorted(self.classes_, y)
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        each = of_class[of_example]
        return each if weights is None else each * weights

    def _labels(self, A: Any) -> Any:
        """Class labels, or rows of 0 and 1, of outputs on the host."""
        return self._label_binarizer.inverse_transform(A.ravel() if self.n_outputs_ == 1 else A)

    def _validation_score(self, A: Any, Y: Any, weights: Any) -> float:
        if self._label_binarizer.y_type_ == "multiclass":
            right = np.argmax(A, axis=1) == np.argmax(Y, axis=1)
        else:
            right = ((A > 0.5) == (Y > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))

    # --- use ------------------------------------------------------------------------------------------

    @available_if(has_epochs)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train for one epoch more.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.
        classes : array or None
            All labels that any call will have; the first call needs them.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all examples at once, which partial_fit does not see: give the weights "
                "that sklearn.utils.compute_class_weight returns, as a dict"
            )
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        before = dict(vars(self))
        if classes is not None:
            known = unique_labels(to_host(classes))
            if not hasattr(self, "classes_"):
                several = type_of_target(to_host(y)).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(to_host(y) if several else known)
                self.classes_ = self._label_binarizer.classes_
            elif not np.array_equal(self.classes_, known):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
                )
        self._fit(X, y, sample_weight, before, incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """The class of each row, or rows of 0 and 1 for several labels.

        Numbers come in the library and on the device of X; words, and all for data on the host, as NumPy's.
        """
        A, placement = self._forward(X)
        labels = self._labels(placement.backend.to_host(A))
        source = foreign_backend(X)
        if source is None or labels.dtype.kind not in "biuf":
            return labels
        return source.from_host(labels, source.device_of(X))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, ``(m, classes)``, in the library and on the device of X.

        Those of independent labels, and of the second of two classes, stay below 1.
        """
        A, placement = self._forward(X)
        if self.out_activation_ == "logistic":  # which rounding takes to 1; no probability is
            below = 1.0 - placement.xp.finfo(A.dtype).eps / 2
            A = placement.xp.where(below < A, below, A)
        if self.n_outputs_ == 1:
            A = placement.xp.concat([1 - A, A], axis=1)
        return self._given_back(A, placement, X)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of :meth:`predict_proba`."""
        P = self.predict_proba(X)
        backend = foreign_backend(P)
        with np.errstate(divide="ignore"):
            return np.log(P) if backend is None else backend.namespace().log(P)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean accuracy; for several labels, of whole rows."""
        predicted = to_host(self.predict(X))
        return float(accuracy_score(to_host(y), predicted, sample_weight=to_host(sample_weight)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
