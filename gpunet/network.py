"""The public class: rows in, rows out, on any array library."""

from __future__ import annotations

import copy
import dataclasses
import math
import numbers
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.core.activations import Activation, ActivationLike
from gpunet.core.architecture import dense_and_dropouts, loss_for
from gpunet.core.checks import known_name, positive_int
from gpunet.core.default_optimizer import chosen_optimizer, default_optimizer
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import Loss, LossLike
from gpunet.core.optimizers import Optimizer
from gpunet.core.plan import PRECISIONS
from gpunet.core.program import TrainState
from gpunet.core.table_training import BATCH_SIZE as TABLE_BATCH
from gpunet.core.table_training import UNITS, epochs_for, table_optimizer
from gpunet.core.table_training import UPDATES as TABLE_UPDATES
from gpunet.devices.backend import Backend
from gpunet.devices.placement import Placement, choose_placement, host_placement, named_placement
from gpunet.devices.precision import require_precision
from gpunet.devices.registry import backend_of, get_backend
from gpunet.errors import Diverged
from gpunet.files.network_file import SavedNetwork, read_network, refuse_on_error, write_network
from gpunet.inputs.fit_data import (
    DEFAULT_BATCH,
    Examples,
    FitArrays,
    InputPipeline,
    fit_data,
)
from gpunet.inputs.missing_targets import evaluate_rows
from gpunet.inputs.standardizer import Standardizer
from gpunet.inputs.tabular import Tabular, encoded
from gpunet.prediction import ForwardPass
from gpunet.summary import summary, summary_html
from gpunet.training import evaluation
from gpunet.training.call import described_call
from gpunet.training.callbacks import Callback, checked_callbacks, require_monitored
from gpunet.training.checkpoint import Checkpoint, checked_checkpoint, open_run
from gpunet.training.class_report import ClassReport, class_report
from gpunet.training.evaluator import Evaluator
from gpunet.training.history import History
from gpunet.training.metrics import Metrics
from gpunet.training.run import TrainingRun
from gpunet.training.saved import (
    on_host,
)
from gpunet.training.scale import warn_of_unscaled
from gpunet.training.trained import Trained
from gpunet.training.transforms import takes_targets

if TYPE_CHECKING:
    from gpunet.tables import TableEncoder
    from gpunet.tables.target import Target

Array = Any

# Of arrays, by default: updates, and the fewest and the most epochs that they may take.
UPDATES, EPOCHS, MOST_EPOCHS = 1000, 10, 100

# What `fit` sets before the first update; if it fails before that, they are as they were.
CHANGED_BY_FIT = ("standardizer", "encoder", "target", "columns", "inputs")


class Network:
    """A dense network (C6): layers, a loss, and where it computes.

    Parameters
    ----------
    layers : sequence of Dense and Dropout
        At least one :class:`Dense`; the last one is the output.
    loss : {"cross_entropy", "logistic", "squared_error", "absolute_error"}, Loss or None
        A name, or a :class:`Loss` of your own. None takes the canonical one of the output: cross-entropy for
        softmax, logistic for sigmoid, squared error otherwise.
    inputs : int or None
        ``n[0]``; None lets the first data decide.
    seed : int or None
        Of start, shuffling and dropout. The same seed gives the same on every backend; None draws one.
    backend : str
        ``"numpy"``, ``"cupy"``, ``"torch"``, ``"jax"``, with a device if needed (``"cupy:1"``, ``"torch:cuda:0"``).
        ``"auto"`` takes the library and device of the training data; for NumPy arrays and lists CuPy if a CUDA
        device answers, else NumPy. The environment variable ``GPUNET_BACKEND`` overrides "auto".
    dtype : {"float32", "float64"}
    standardizer : Standardizer or None
        Fitted by the first ``fit``, then applied to every input (C15).
    encoder : TableEncoder or None
        For tables: X is then a Table (:func:`gpunet.datasets.read_table`), a DataFrame of any library, or a dict of
        columns, and y may be words. Fitted by the first ``fit``. :meth:`for_table` makes such a network.

    Attributes
    ----------
    target : Target or None
        What the targets mean, once ``fit`` got them in words or with an encoder: class names, or mean and deviation
        of values.
    columns : tuple of str or None
        Without an encoder, the column names of the first DataFrame: later ones are matched by name.
    history : History or None
        Of the last ``fit``, also of one that was interrupted.

    Raises
    ------
    ValueError, TypeError
        For layers, names or sizes that make no network.
    BackendUnavailable
        If the backend can't be used here.

    Examples
    --------
    >>> import gpunet as gn
    >>> net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> history = net.fit(X, y, optimizer=gn.Adam(0.1), epochs=300, batch_size=None)
    >>> net.evaluate(X, y)["accuracy"]
    1.0
    """

    def __init__(
        self,
        layers: Sequence[Dense | Dropout],
        loss: LossLike | None = None,
        inputs: int | None = None,
        seed: int | None = None,
        backend: str = "auto",
        dtype: str = "float32",
        standardizer: Standardizer | None = None,
        encoder: TableEncoder | None = None,
    ) -> None:
        self.layers, self.dropouts = dense_and_dropouts(layers)
        self.loss = loss_for(self.layers[-1], loss)
        self.inputs = None if inputs is None else positive_int("inputs", inputs)
        self.dtype = known_name("dtype", dtype, ("float32", "float64"))
        if seed is not None and (not isinstance(seed, numbers.Integral) or seed < 0):
            raise ValueError(f"seed must be a whole number of at least 0, or None; got {seed!r}")
        self.seed = int(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)
        self._seed_drawn = seed is None
        if standardizer is not None and not isinstance(standardizer, Standardizer):
            raise TypeError(f"standardizer must be an object such as Standardizer(), got {standardizer!r}")
        self.standardizer = copy.deepcopy(standardizer)
        if encoder is not None and not hasattr(encoder, "transform"):
            raise TypeError(f"encoder must be an object such as TableEncoder(), got {encoder!r}")
        if encoder is not None and standardizer is not None:
            raise ValueError(
                "give encoder or standardizer, not both: the encoder standardises numbers itself"
            )
        self.encoder = copy.deepcopy(encoder)
        self.target: Target | None = None
        self.columns: tuple[str, ...] | None = None
        self.backend = backend
        self._placement = named_placement(backend)
        self._trained = Trained()
        self._forward = ForwardPass()
        self.history: History | None = None
        self.notes: dict[str, Any] = {}

    @classmethod
    def for_table(
        cls, table: Any, hidden: Sequence[int] = (UNITS,), activation: str = "relu", **options: Any
    ) -> Network:
        """A network for a table: its output suits the target, its inputs come from a :class:`TableEncoder`.

        Classes get one softmax output each, two classes one sigmoid output (C2), values one identity output. ``fit``
        without further arguments trains it as ``gpunet train`` does.

        Parameters
        ----------
        table : Table
            With a target; see :func:`gpunet.datasets.read_table`.
        hidden : sequence of int
            Units of the hidden layers.
        activation : str
            Of the hidden layers.
        **options
            As for :class:`Network`.

        Returns
        -------
        Network

        Examples
        --------
        >>> import gpunet as gn
        >>> rows = {"size": [1.0, 1.2, 3.1, 3.3] * 9, "animal": ["cat", "cat", "dog", "dog"] * 9}
        >>> table = gn.datasets.read_table(rows, target="animal")
        >>> net = gn.Network.for_table(table, hidden=(8,), seed=0, backend="numpy")
        >>> history = net.fit(table)
        >>> net.predict_target({"size": [1.1, 3.0]}).tolist()
        ['cat', 'dog']
        """
        from gpunet.tables import TableEncoder
        from gpunet.tables.target import Target

        target = Target().fit(table)
        names = target.class_names
        if names is None:
            output = Dense(1, "identity")
        elif len(names) == 2:
            output = Dense(1, "sigmoid")
        else:
            output = Dense(len(names), "softmax")
        layers = [Dense(units, activation) for units in hidden]
        network = cls([*layers, output], **{"encoder": TableEncoder(), **options})
        if names is not None:  # a part of the table may lack a class
            network.target = target
        return network

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, in the order of the outputs; None where targets were numbers."""
        return self._tabular.class_names

    @property
    def activations(self) -> tuple[ActivationLike, ...]:
        """Each layer's activation: its name, or the user's own."""
        return tuple(layer.activation for layer in self.layers)

    @property
    def placement(self) -> Placement:
        """Library and device that the network computes on; "auto" may go elsewhere with the next data."""
        if self._placement is None:
            self._placement = choose_placement(self.backend, None, {}, follow=False)
        return self._placement

    @property
    def epochs_trained(self) -> int:
        """How many epochs the network has been trained for, in all."""
        return self._trained.epochs

    @epochs_trained.setter
    def epochs_trained(self, epochs: int) -> None:
        self._trained.epochs = epochs

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but the backend's forward pass, which is made anew."""
        return {**self.__dict__, "_trained": copy.copy(self._trained), "_forward": ForwardPass()}

    # --- parameters -----------------------------------------------------------------------------

    @property
    def parameters(self) -> list[tuple[Array, Array]]:
        """``[(W, b), …]``: copies, ``W (n[l], n[l−1])`` and ``b (n[l], 1)``, on the network's backend.

        Raises
        ------
        ValueError
            While the number of inputs is not known.
        """
        state, xp = self._ready(), self.placement.xp
        with self.placement.context():
            return [(xp.asarray(W, copy=True), xp.asarray(b, copy=True)) for W, b in state.parameters]

    def set_parameters(self, parameters: Sequence[tuple[Any, Any]]) -> None:
        """Replace all weights; arrays of any library, shaped as in :attr:`parameters`.

        The optimizer starts afresh in the next ``fit``.

        Raises
        ------
        ValueError, TypeError
            If a shape does not fit or a number is not finite. Nothing has changed then.
        """
        with self.placement.context():
            state = self._trained.set_parameters(
                parameters, self.layers, self.inputs, self.placement, self.dtype
            )
        self.inputs = int(state.parameters[0][0].shape[1])

    def _ready(self) -> TrainState:
        """The state, with initial parameters if there are none yet."""
        return self._trained.ready(self.layers, self.inputs, self.seed, self.placement, self.dtype)

    def _move_to(self, placement: Placement) -> None:
        """Move the network's state to `placement`."""
        if placement != self._placement:
            self._trained.move_to(placement, self.dtype)
        self._placement = placement

    def _pipeline(self, placement: Placement) -> InputPipeline:
        return InputPipeline(
            placement, self.dtype, self.inputs, self.layers[-1], self.loss, self.standardizer
        )

    @property
    def _tabular(self) -> Tabular:
        return Tabular(self.encoder, self.target, self.columns)

    def set_trainable(self, trainable: bool | Sequence[bool]) -> None:
        """Freeze layers, or make them trainable again: which :class:`Dense` layers the next ``fit`` changes.

        W and b of a frozen layer stay the same to the bit, whatever the optimizer; weight decay leaves them alone, and
        ``clip_norm`` counts the gradients of trainable layers only. What frozen layers below the first trainable one
        give is computed once per ``fit``. :attr:`layers` and the saved file say which layers are frozen.

        If that changes which ones are, the optimizer starts afresh in the next ``fit``.

        Parameters
        ----------
        trainable : bool or sequence of bool
            One for each Dense layer, from the first to the output; or one for all of them.

        Raises
        ------
        ValueError, TypeError
            For another number of them, and for what is not True or False. Nothing has changed then.

        Examples
        --------
        >>> import gpunet as gn
        >>> net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(1, "sigmoid")], inputs=2, seed=0, backend="numpy")
        >>> net.set_trainable([False, True])
        >>> before = net.parameters[0][0]
        >>> history = net.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
        >>> bool((net.parameters[0][0] == before).all())
        True
        """
        given = [trainable] * len(self.layers) if isinstance(trainable, bool) else trainable
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"trainable must be True, False or a list of these, got {trainable!r}")
        if len(given) != len(self.layers):
            raise ValueError(
                f"trainable must have {len(self.layers)} entries, one for each Dense layer; got {len(given)}"
            )
        layers = tuple(
            dataclasses.replace(layer, trainable=one) for layer, one in zip(self.layers, given, strict=True)
        )
        if layers != self.layers:
            self.layers = layers
            self._trained.forget_optimizer()

    # --- training -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        optimizer: Optimizer | str | None = None,
        epochs: int | None = None,
        batch_size: int | str | None = "auto",
        shuffle: bool = True,
        precision: str = "float32",
        validation_data: tuple[Any, ...] | None = None,
        validation_fraction: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        transform: Callable[..., Any] | None = None,
        metrics: Any = (),
        callbacks: Callback | Sequence[Callback] = (),
        checkpoint: Checkpoint | str | Path | None = None,
        progress: bool = False,
    ) -> History:
        """Train (C19); a further call goes on from where the last one ended.

        Fitting 5 epochs twice is fitting 10 once, if the optimizer stays the same and has no schedule: its
        state is kept.

        Parameters
        ----------
        X : array or list
            Rows ``(m, n[0])``, or images ``(m, height, width[, channels])``, which are flattened (C1). Numbers are
            taken as they are; where they are large, as uint8 pixels, give the network a :class:`Standardizer`. A
            Table, if there is an encoder. Columns of a DataFrame are matched by name with those of the first one.
            A sparse matrix or array of SciPy ``(m, n[0])`` never becomes dense as a whole: NumPy computes with its
            entries, other backends make a batch at a time dense, and "auto" takes NumPy. CSR in the network's dtype is
            used as it is; other formats are converted to CSR first, other dtypes cast, which costs a copy. A
            :class:`Standardizer` must have ``center=False``.
        y : array or list
            Class numbers ``(m,)`` or ``(m, 1)``, one-hot or multi-label rows ``(m, n[L])``, real targets, or words
            ``(m,)``: those become :attr:`class_names`. Left out, the labels of the Table X. Beside an encoder, values
            are standardised for training; losses and predictions are in their own unit. Rows whose target is missing
            (None, NaN, NA or an empty text in words or in a column, and NaN beside a DataFrame) are left out.
        optimizer : Optimizer, str or None
            None takes Adam; beside an encoder AdamW with a cosine schedule, and with a weight decay of 1000 / rows,
            between 0.2 and 5, for 256 hidden units; for h units √(h/256) times that. A name (``"adam"``, ``"adamw"``,
            ``"rmsprop"``, ``"sgd"``), and None, get the learning rate that ``gpunet train`` takes: 0.002 for Adam, 2.5
            times that with sigmoid in a hidden layer. None suits large inputs too where there is no standardizer: with
            their root mean square s, as a power of two, the first layer's initial weights are divided by s, and above
            s = 4 the rate is √(4/s) times that.
        epochs : int or None
            None takes as many as make 1000 updates, between 10 and 100; beside an encoder 5000, between 20 and 300.
        batch_size : int, None or "auto"
            1 is stochastic, None full batch (C18); "auto" takes 32, beside an encoder 64, or all examples where there
            are fewer.
        shuffle : bool
            Draw a new order each epoch, from the seed.
        precision : {"float32", "tf32", "bfloat16"}
            Of the matrix products of training. "float32" has float32's error, whichever way the products are computed.
            "tf32" (10 bits after the leading one) and "bfloat16" (7 bits) let their factors be rounded so, as a GPU's
            matrix units take them; a program for small batches may still compute in float32. Weights, biases,
            activations, slots and all sums stay float32, and so do validation and predictions. For float32 networks on
            CuPy, PyTorch with CUDA, and JAX on a GPU or TPU. PyTorch computes "bfloat16" in TF32.
        validation_data : (X, y), (X, y, sample_weight), Table or None
        validation_fraction : float
            Fraction of the rows to hold out for validation instead, drawn with the seed.
        sample_weight : array ``(m,)`` or None
            Weight of each example's loss: ``J = (1/B) Σ w(i) L(i)``.
        class_weight : "balanced", dict or sequence, or None
            Weight of each class, by number or name, times ``sample_weight``; for training, not for validation.
            "balanced" is ``m / (classes · count)`` for a class of `count` examples in the training part (sums of
            weights, if there are some), as in scikit-learn.
        label_smoothing : float
            ε, in ``[0, 1)``: classes are learned as ``(1 − ε) Y + ε/k``, each label of sigmoid outputs as ``(1 − ε) Y +
            ε/2``. ``history.loss`` is of these; accuracy, validation and :meth:`evaluate` are of the targets given.
        transform : callable ``(X, rng) -> X`` or ``(X, y, rng) -> (X, y)``, or None
            Changes the examples of each training batch (data augmentation); validation data never. X are rows ``(B,
            n[0])``, or images as they were given ``(B, height, width[, channels])``, on the network's backend and
            device, before the standardizer and in its own unit; float64 where wider numbers are standardised, else of
            the network's dtype; beside an encoder what that gives. They may be written into. y are rows ``(B, n[L])``
            as the loss takes them: one-hot for classes, smoothed by `label_smoothing`. X must come back in its shape,
            in any real dtype and as an array of any library. rng is a ``numpy.random.Generator``, drawn from the
            network's seed, the epoch and the step: runs repeat, and go on, to the bit. Weights of examples stay with
            their rows.
        metrics : name, function ``(y_true, y_pred)``, a sequence of them, or a dict of names to them
            To be measured on the validation data after each epoch, see :attr:`History.val_metrics`. A callback
            monitors them as ``"val_f1"``.

            Names are those of scikit-learn's scorers (``"f1"``, ``"f1_macro"``, ``"roc_auc"``, ``"roc_auc_ovr"``,
            ``"r2"``, ``"neg_mean_absolute_error"``), also without ``neg_``; extra ``sklearn``. Classes are numbered as
            the outputs are; "f1" and others for two classes are those of class 1.

            A function gets class numbers ``(m,)``, labels ``(m, k)`` or values in their own unit, as
            ``sklearn.metrics`` takes them. One whose second parameter is called ``y_score``, ``y_proba`` or ``y_prob``
            gets probabilities ``(m, k)``, of two classes those of the second ``(m,)``; one whose second parameter is
            called ``outputs`` gets what :meth:`predict` answers. ``make_scorer(…)`` will do, too.

            Weights of examples do not count. A metric that is NaN does not end the run.
        callbacks : callable ``(network, history)`` or sequence of them
            Called after each epoch; True ends the run. See :class:`EarlyStopping`.
        checkpoint : Checkpoint, folder or None
            Where to keep what a run needs to go on. The same call with a network made in the same way goes on from the
            newest checkpoint there, to the bit; once the run has ended it returns the history at once. More epochs are
            the same call, unless there is a schedule, or a callback has had the last word.
        progress : bool
            Show a bar on a terminal and in Jupyter; elsewhere write a line per epoch to standard error, at most one
            per second. With progress or a checkpoint, Ctrl-C and SIGTERM act between two updates, within about half a
            second: the network keeps the weights of that update. Without, it keeps those of the last epoch.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For bad input, an unknown metric, and for a precision that the device does not have, before anything has
            changed. For a metric that fails, after an epoch: the weights are those of that epoch.
        RowsLeftOut
            A warning, if targets are missing: how many.
        UnscaledInputs
            A warning, if the mean of ``|x|`` is above 10 and there is no standardizer.
        Diverged
            If the loss stops being finite; the network keeps the last finite weights.
        OutOfMemory
            If the device is too small; the weights are as they were after the last epoch.
        AnotherRun, FolderInUse
            If the folder of checkpoints is another run's; nothing has changed.
        """
        chosen = chosen_optimizer(optimizer, self.activations[:-1])
        is_table = self.encoder is not None
        if epochs is not None:
            positive_int("epochs", epochs)
        if not any(layer.trainable for layer in self.layers):
            raise ValueError(
                "all layers are frozen, so there is nothing to train: make some trainable with set_trainable"
            )
        known_name("precision", precision, PRECISIONS)
        checkpoint = checked_checkpoint(checkpoint, callbacks)
        callbacks = checked_callbacks(callbacks)
        if transform is not None:
            takes_targets(transform)  # raises for what is no transform
        arrays = FitArrays(
            X, y, sample_weight, class_weight, validation_data, validation_fraction, label_smoothing
        )
        measures = Metrics(metrics)
        call = {} if checkpoint is None else self._call(
            arrays,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            precision=precision,
            transform=transform,
            metrics=metrics,
            callbacks=callbacks,
        )  # fmt: skip
        constant_rate = not is_table and chosen.constant_rate
        trained = self._trained
        with open_run(checkpoint, call, trained.run_id, constant_rate, self._own_functions()) as run:
            if run is not None and run.saved is not None:
                self._take_up(run.saved)
                if run.finished:
                    self.history = History(**run.saved.training["run"]["history"])
                    return self.history
            arrays, tabular = encoded(self._tabular, arrays, self.dtype, self.layers[-1], self.seed)
            placement = choose_placement(self.backend, self._placement, arrays.by_name(), follow=True)
            require_precision(precision, self.dtype, placement)
            with placement.context():
                auto_batch = TABLE_BATCH if is_table else DEFAULT_BATCH
                raw, pipeline = transform is not None, self._pipeline(placement)
                data = fit_data(pipeline, arrays, batch_size, self.seed, auto_batch, raw=raw)
                monitors = [*callbacks, *([] if checkpoint is None else [checkpoint])]
                require_monitored(monitors, data.validation is not None, data.kind, measures.directions)
                evaluator = Evaluator(placement, self.activations, self.loss, tabular)
                evaluator.require_computable(measures, data.validation, data.kind)
                for callback in callbacks:
                    if hasattr(callback, "start"):
                        callback.start(self)
                # Everything is checked: from here on the network changes.
                self._move_to(placement)
                before = {name: getattr(self, name) for name in CHANGED_BY_FIT}
                trained_before = copy.copy(trained)
                self.standardizer = data.standardizer
                self.encoder, self.target, self.columns = tabular
                self.inputs, m = (int(size) for size in data.training.X.shape)
                if optimizer is None and is_table:
                    chosen = table_optimizer(m, self.layers[:-1])
                elif optimizer is None and self.standardizer is None:
                    self._ready()
                    size = trained.size_of_inputs(placement.xp, data.training.X)
                    chosen = default_optimizer(self.activations[:-1], size)
                if epochs is None:
                    steps = math.ceil(m / data.batch_size)
                    if is_table:
                        epochs = epochs_for(TABLE_UPDATES, steps)
                    else:
                        epochs = epochs_for(UPDATES, steps, EPOCHS, MOST_EPOCHS)
                try:
                    if self.standardizer is None:
                        warn_of_unscaled(placement.xp, data.training.X)
                    self._ready()
                    plan = data.plan(self.layers, self.dropouts, self.loss, chosen, self.dtype, precision)
                    training = TrainingRun(
                        self,
                        trained,
                        plan,
                        data,
                        self._pipeline(placement),
                        evaluator,
                        seed=self.seed,
                        epochs=epochs,
                        shuffle=shuffle,
                        transform=transform,
                        measures=measures,
                        callbacks=callbacks,
                        progress=progress,
                        checkpoints=run,
                        save=lambda: self._saved(training_state=True),
                    )
                    self.history = training.history
                    return training.run()
                except BaseException as error:
                    # After a divergence the network has its weights with this standardizer.
                    if not trained.updated_since(trained_before) and not isinstance(error, Diverged):
                        vars(self).update(before)
                        trained.go_back(trained_before)
                    raise

    def _call(self, arrays: FitArrays, **arguments: Any) -> dict[str, Any]:
        """Everything that a run depends on, described."""
        settings = {
            "encoder": self.encoder,
            "standardizer": self.standardizer,
            "layers": self.layers,
            "dropout": self.dropouts,
            "loss": self.loss,
            "dtype": self.dtype,
            **arguments,
        }
        seed = None if self._seed_drawn else self.seed
        weights = None if self._trained.initial else self._trained.weights(self.placement)
        return described_call(settings, arrays, seed, weights)

    # --- use ------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The last layer's activations, rows ``(m, n[L])``, in the library and on the device of X.

        For a Table or DataFrame a NumPy array; values in the target's own unit, in float64.

        Raises
        ------
        ValueError, TypeError
            For a wrong shape, dtype, or numbers that are not finite.
        """
        if self._trained.state is None and self.inputs is None:
            raise ValueError("the network has no weights yet: fit it, or give Network inputs=…")
        X = self._tabular.rows("X", X, self.dtype)
        source = backend_of(X)
        placement = self.placement if self._trained.state is not None else self._placement_for({"X": X})
        where = host_placement()
        A = self._outputs_on_host(X, source, where)
        if A is None:
            where, A = placement, self._outputs(X, placement)
        if self.target is not None and self.class_names is None:
            return self.target.decode(where.backend.to_host(A))[:, None]
        if source is None:
            return where.backend.to_host(A)
        if source is where.backend:
            return source.move(A, source.device_of(X))
        return source.from_host(np.ascontiguousarray(where.backend.to_host(A)), source.device_of(X))

    def _outputs(self, X: Any, placement: Placement) -> Array:
        """``A[L]`` as rows on `placement`, by the backend's own forward pass if it has one."""
        with placement.context():
            pipeline = self._pipeline(placement)
            rows = pipeline.rows("X", X, finite=False)
            self._move_to(placement)
            return self._forward.outputs(pipeline, rows, self.activations, self._ready())

    def _outputs_on_host(self, X: Any, source: Backend | None, host: Placement) -> Array | None:
        """``A[L]`` as NumPy rows, for few rows that are on the host; None for others."""
        state = self._trained.state
        if state is None or source is self.placement.backend:
            return None
        backend, pipeline = self.placement.backend, self._pipeline(host)
        return self._forward.outputs_on_host(pipeline, X, backend, self.activations, state)

    def predict_target(self, X: Any) -> Array:
        """The predicted targets as they are written: class names, or values; a NumPy array ``(m,)``.

        Raises
        ------
        ValueError
            If the network was trained on numbers that have no names; see :meth:`predict` for other errors.
        """
        if self.target is None:
            raise ValueError("the network was trained on numbers, not on words: use predict(X)")
        A = self.predict(X)
        if self.class_names is None:
            return A[:, 0]
        backend = backend_of(A)
        return self.target.decode(A if backend is None else backend.to_host(A))

    def evaluate(
        self, X: Any, y: Any = None, sample_weight: Any = None, metrics: Any = ()
    ) -> dict[str, float]:
        """Cost and accuracy on data: ``{"loss": …, "accuracy": …}``; real targets have no accuracy.

        `metrics` are names and functions as in :meth:`fit`; each adds its name and value.

        Accuracy is the fraction of examples whose class is right; for several sigmoid outputs with rows of
        labels, the fraction of labels that are right at ½. Weights of examples count in the loss alone. For a Table
        y may be left out; the loss of values is in the target's own unit. Rows without a target are left out, as by
        :meth:`fit`.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        measures = Metrics(metrics)
        examples, kind = self._examples(X, y, sample_weight)
        measures.require_accuracy(kind)
        return self._evaluator.figures(self._ready().parameters, examples, kind, measures)

    def class_report(self, X: Any, y: Any = None, names: Sequence[str] | None = None) -> ClassReport:
        """Confusion matrix, and each class's precision and recall, on data; for a Table y may be left out.

        Parameters
        ----------
        X, y
            As for :meth:`evaluate`.
        names : sequence of str or None
            Of the classes; None takes :attr:`class_names`, or numbers.

        Returns
        -------
        ClassReport
            ``print`` shows it as a table; ``plot()`` draws the matrix.

        Raises
        ------
        ValueError, TypeError
            For bad input, and for real targets.
        """
        examples, kind = self._examples(X, y, None)
        state, placement = self._ready(), self.placement
        with placement.context():
            A = evaluation.outputs(placement.xp, self.activations, state.parameters, examples.X)
            given = self._evaluator.results(examples, [A.T], kind)
        return class_report(given, self.class_names if names is None else tuple(map(str, names)))

    def gradients(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[float, list[tuple[Array, Array]]]:
        """``(J, [(dW, db), …])`` for these examples as one batch, shaped as the parameters (C9).

        Where values are standardised for training, J is the cost of the standardised ones.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        examples, _ = self._examples(X, y, sample_weight)
        with self.placement.context():
            return evaluation.gradients(
                self.placement.xp, self.activations, self.loss, self._ready().parameters, examples
            )

    def _placement_for(self, arrays: dict[str, Any]) -> Placement:
        """Where a call that trains nothing computes: with the weights, once there are any."""
        return choose_placement(self.backend, self._placement, arrays, follow=self._trained.state is None)

    def _examples(self, X: Any, y: Any, sample_weight: Any) -> tuple[Examples, str]:
        """Checked columns for a call that needs weights but changes none."""
        X, y, sample_weight = evaluate_rows(self.target, X, y, sample_weight)
        X, y = self._tabular.rows("X", X, self.dtype), self._tabular.targets("y", X, y)
        placement = self._placement_for({"X": X, "y": y, "sample_weight": sample_weight})
        with placement.context():
            examples, kind = self._pipeline(placement).examples(X, y, sample_weight)
            self._move_to(placement)
        self.inputs = int(examples.X.shape[0])
        return examples, kind

    @property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.placement, self.activations, self.loss, self._tabular)

    # --- saving and printing --------------------------------------------------------------------

    def save(self, path: str | Path, *, training_state: bool = False) -> None:
        """Write architecture, weights, and standardiser or encoder to a safetensors file, whole or not at all.

        Of activations and losses of your own the file holds the names alone, and a warning says so: give them to
        :func:`load`.

        Parameters
        ----------
        path : path
        training_state : bool
            Keep the optimizer's slots too: a loaded network goes on as this one would. Else it goes on from the
            weights, with an optimizer that starts afresh.

        Raises
        ------
        ValueError
            If there are no weights yet, or two activations of your own have the same name.
        OSError
            If there is no such folder, or the file can't be written; an old file is as it was.
        """
        write_network(path, self._saved(training_state))

    def to_onnx(self, path: str | Path) -> None:
        """Write an ONNX file, which onnxruntime and other tools run without gpunet; whole or not at all.

        Standardiser, or encoder of tables, are part of it, and its outputs are those of :meth:`predict`.

        - Arrays: one input ``X (rows, n[0])``, in the network's dtype; float64 where there is a standardiser, which
          needs numbers that are not rounded. Images are flattened before.
        - Tables: one input ``(rows, 1)`` per column, by its name. Numbers are float64, NaN where missing; booleans are
          0 and 1; dates are seconds since 1970, times of day seconds since midnight, each as float64. Categories are
          text as in training, without blanks around it, and "" where missing.
        - Outputs: ``probabilities`` for softmax and sigmoid, else ``values``; with class names ``label (rows,)`` too.

        Dropout and the loss are for training, and left out. Metadata: the version of gpunet, ``class_names`` and
        ``feature_names`` as JSON. Needs the package onnx (``pip install "gpunet[onnx]"``).

        Raises
        ------
        ValueError
            If there are no weights yet, an activation is your own, or the weights take more than 2 GB.
        OSError
            If there is no such folder, or the file can't be written; an old file is as it was.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np, onnxruntime
        >>> import gpunet as gn
        >>> net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(3, "softmax")], inputs=2, seed=0, backend="numpy")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.to_onnx(f"{folder}/net.onnx")
        ...     session = onnxruntime.InferenceSession(f"{folder}/net.onnx")
        >>> X = np.ones((5, 2), "float32")
        >>> session.run(["probabilities"], {"X": X})[0].shape
        (5, 3)
        """
        from gpunet.exchange.onnx_file import write_onnx

        write_onnx(path, self._saved(training_state=False))

    def to_torch(self, *, logits: bool = False) -> Any:
        """A PyTorch module with copies of the weights, on the CPU: an ``nn.Sequential`` in evaluation mode.

        Its outputs are those of :meth:`predict`: it ends with Softmax or Sigmoid where the network does, and values
        that were standardised for training come in their own unit. A standardiser is its first module. A table's
        encoder is no part of it: give the module ``torch.from_numpy(net.encoder.transform(table, net.dtype))``.
        Frozen layers have frozen parameters.

        Parameters
        ----------
        logits : bool
            Leave out softmax or sigmoid at the end, as PyTorch's CrossEntropyLoss and BCEWithLogitsLoss want it.

        Raises
        ------
        ValueError
            If there are no weights yet, an activation is your own, or there is nothing to leave out for `logits`.
        ImportError
            If PyTorch is not installed.

        Examples
        --------
        >>> import gpunet as gn
        >>> net = gn.Network([gn.Dense(4, "tanh"), gn.Dropout(0.1), gn.Dense(1)], inputs=2, seed=0, backend="numpy")
        >>> net.to_torch()
        Sequential(
          (0): Linear(in_features=2, out_features=4, bias=True)
          (1): Tanh()
          (2): Dropout(p=0.1, inplace=False)
          (3): Linear(in_features=4, out_features=1, bias=True)
        )
        """
        from gpunet.exchange.to_torch import torch_module

        return torch_module(self._saved(training_state=False), logits)

    def _saved(self, training_state: bool) -> SavedNetwork:
        """What a file holds of the network, on the host."""
        layers: list[Dense | Dropout] = []
        for layer, rate in zip(self.layers, self.dropouts, strict=True):
            layers += [Dropout(rate), layer] if rate else [layer]
        state, placement = self._ready(), self.placement
        assert self.inputs is not None  # the parameters are there
        return SavedNetwork(
            layers,
            self.loss,
            self.inputs,
            self.seed,
            self.dtype,
            self.standardizer,
            on_host(state.parameters, placement),
            self.epochs_trained,
            self.notes,
            self.encoder,
            self.target,
            self.columns,
            self._trained.saved(placement) if training_state else None,
        )

    def _take_up(self, saved: SavedNetwork) -> None:
        """Take weights, the training's state and what was learned of the data from a file of a network like this."""
        if saved.seed is not None:
            self.seed = saved.seed
        self.standardizer, self.encoder = saved.standardizer, saved.encoder
        self.target, self.columns = saved.target, saved.columns
        self.set_parameters(saved.parameters)
        self.epochs_trained = saved.epochs_trained
        if saved.training is not None:
            self._trained.take_up(saved.training, self.placement, self.dtype)

    def _own_functions(self) -> list[Activation | Loss]:
        """Activations and loss that are the user's own."""
        return [one for one in (self.loss, *self.activations) if not isinstance(one, str)]

    def summary(self) -> str:
        """A table of layers, shapes and parameter counts."""
        return summary(self.layers, self.dropouts, self.inputs, self._ending())

    def _repr_html_(self) -> str:
        """What notebooks show."""
        return summary_html(self.layers, self.dropouts, self.inputs, self._ending())

    def _ending(self) -> str:
        return f"{self.dtype}; loss {self.loss}; backend {self._backend_name()}"

    def _backend_name(self) -> str:
        return self._placement.backend.name if self._placement else self.backend

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in [self.inputs or "?", *(d.units for d in self.layers)])
        frozen = [str(l) for l, layer in enumerate(self.layers, start=1) if not layer.trainable]
        if frozen:
            sizes += f", layer{'s' if len(frozen) > 1 else ''} {', '.join(frozen)} frozen"
        return f"<Network {sizes}, {self.loss}, {self._backend_name()}, {self.dtype}>"


def load(path: str | Path, backend: str = "auto", own: Sequence[Activation | Loss] = ()) -> Network:
    """Read a network that :meth:`Network.save` wrote, onto any backend.

    Parameters
    ----------
    path : path
    backend : str
        As for :class:`Network`.
    own : sequence of Activation and Loss
        Those of your own that the network was built with, found by their names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileRefused
        If it is not such a file, or is damaged.
    ValueError, BackendUnavailable
        If there is no such backend, or it can't be used here.
    """
    get_backend(backend)  # an error of that is not the file's
    saved = read_network(path, own)
    with refuse_on_error(path):
        return restored(saved, backend)


def restored(saved: SavedNetwork, backend: str = "auto") -> Network:
    """The network that a file, or another tool's network, describes."""
    network = Network(
        *(saved.layers, saved.loss, saved.inputs, saved.seed, backend, saved.dtype),
        standardizer=saved.standardizer,
        encoder=saved.encoder,
    )
    network._take_up(saved)
    network.notes = saved.notes
    return network
