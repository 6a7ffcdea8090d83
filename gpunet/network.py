"""The public class: rows in, rows out, on any array library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.core.activations import Activation
from gpunet.core.checks import flag, known_name, positive_int, texts
from gpunet.core.default_optimizer import chosen_optimizer, default_optimizer
from gpunet.core.losses import Loss
from gpunet.core.optimizers import Optimizer
from gpunet.core.own_functions import require_usable
from gpunet.core.plan import PRECISIONS
from gpunet.core.table_training import BATCH_SIZE as TABLE_BATCH
from gpunet.core.table_training import UPDATES as TABLE_UPDATES
from gpunet.core.table_training import epochs_for, table_optimizer
from gpunet.devices.memory import memory_errors
from gpunet.devices.placement import Placement, choose_placement, host_placement, named_placement
from gpunet.devices.precision import require_precision
from gpunet.devices.registry import backend_of
from gpunet.devices.sharing import moved_to, writable
from gpunet.errors import Diverged
from gpunet.files.network_file import read_network, refuse_on_error
from gpunet.inputs.blocks.blocks import Blocks
from gpunet.inputs.blocks.fit import checked_stream, fit_examples
from gpunet.inputs.blocks.opened import opened, opened_arrays
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.example_weights import by_class
from gpunet.inputs.fit_data import DEFAULT_BATCH, FitArrays, FitData
from gpunet.inputs.missing_targets import evaluate_rows
from gpunet.inputs.pipeline import Examples, InputPipeline
from gpunet.inputs.tabular import Tabular, encoded
from gpunet.network_base import NetworkBase, restored
from gpunet.teams.program import in_lanes
from gpunet.teams.team import Team, on_a_team, require_team
from gpunet.training.call import described_call
from gpunet.training.callbacks import Callback, checked_callbacks, started
from gpunet.training.checkpoint import Checkpoint, checked_checkpoint
from gpunet.training.class_report import ClassReport, class_report
from gpunet.training.evaluation import Evaluation, gradients
from gpunet.training.evaluator import FEWER_ROWS, Evaluator
from gpunet.training.history import History
from gpunet.training.metrics import Metrics
from gpunet.training.monitors import require_monitored
from gpunet.training.resuming import open_run
from gpunet.training.run import TrainingRun
from gpunet.training.run_settings import RunSettings
from gpunet.training.same_start import require_same
from gpunet.training.saved import on_host, restored_callbacks
from gpunet.training.scale import warn_of_unscaled
from gpunet.training.transforms import takes_targets

Array = Any

# Of arrays, by default: updates, and the fewest and the most epochs that they may take.
UPDATES, FEWEST_EPOCHS, MOST_EPOCHS = 1000, 10, 100

# What `fit` sets before the first update; if it fails before that, they are as they were.
CHANGED_BY_FIT = ("standardizer", "encoder", "target", "columns", "inputs")
PART = 16_384  # rows of an array on the host that are predicted at a time


class Network(NetworkBase):
    """A dense neural network (C6): its layers, its loss, and the array library that it computes with.

    C1 to C22 in these texts number the claims of the lecture that gpunet follows (``gpunet lecture`` shows them).

    Parameters
    ----------
    layers : sequence of Dense and Dropout
        At least one :class:`Dense`; the last one is the output.
    loss : {"cross_entropy", "logistic", "squared_error", "absolute_error"}, Loss or None
        A name, or a :class:`Loss` of your own. None takes the canonical one of the output: cross-entropy for
        softmax, logistic for sigmoid, squared error otherwise.
    inputs : int or None
        Features per example, ``n[0]``; None takes the number that the first data have.
    seed : int or None
        Of initial weights, shuffling and dropout, all of which are the same on every backend; None draws a seed.
    backend : str
        ``"numpy"``, ``"cupy"``, ``"torch"``, ``"jax"``, with a device if needed (``"cupy:1"``, ``"torch:cuda:0"``,
        ``"jax:all"`` for all of JAX's devices).
        ``"auto"`` takes the library and device of the training data; for NumPy arrays and lists CuPy if a CUDA
        device answers, else NumPy. The environment variable ``GPUNET_BACKEND`` overrides "auto".
    dtype : {"float32", "float64"}
        Of weights, inputs and computation.
    standardizer : Standardizer or None
        Fitted by the first ``fit``, then applied to every input (C15).
    encoder : TableEncoder or None
        For tables: X is then a Table (:func:`gpunet.datasets.read_table`), a DataFrame of any library, or a dict of
        columns, and y may be words. Fitted by the first ``fit``. :meth:`for_table` makes such a network.

    Attributes
    ----------
    layers : tuple of Dense
        Without the Dropout layers.
    target : Target or None
        What the targets mean, once ``fit`` got them in words or with an encoder: class names, or mean and standard
        deviation of values.
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

    # --- training -------------------------------------------------------------------------------

    @on_a_team
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
        team: Team | None = None,
    ) -> History:
        """Train (C19); a further call goes on from where the last one ended.

        Fitting 5 epochs twice is fitting 10 once, if the optimizer stays the same and has no schedule: its
        state is kept.

        Parameters
        ----------
        X : array or list
            Rows ``(m, n[0])``, or images ``(m, height, width[, channels])``, which are flattened (C1). They are not
            rescaled: where numbers are large, as uint8 pixels, give the network a :class:`Standardizer`. With CuPy, and
            with NumPy's compiled programs, uint8, int8, uint16, int16 and bool keep their dtype, which takes less
            memory: most programs convert one batch at a time, with the same result. A Table, if there is an encoder.
            Columns of a DataFrame are matched by name with those of the first one. X may be used as it is, without a
            copy: leave it unchanged during the call. Where most of its numbers are 0 and the run has eight epochs or
            more, compiled programs keep the others in CSR: half of X's memory at most, and no more than 512 MiB in
            float32.
            A sparse matrix or array of SciPy ``(m, n[0])`` never becomes dense as a whole: NumPy computes with its
            nonzero entries, other backends make one batch at a time dense, and "auto" takes NumPy. CSR in the network's
            dtype is used as it is; other formats are converted to CSR first, other dtypes cast, which costs a copy. One
            of CuPy is copied to the host. A :class:`Standardizer` must have ``center=False``.

            Data larger than memory are read block by block: an ``np.memmap``, the path of a ``.npy`` or ``.parquet``
            file or a list of such, a dataset of h5py or zarr, where it takes more than 128 MiB in the network's dtype;
            a ``pyarrow.dataset.Dataset``, a ``polars.LazyFrame``, and anything that gives blocks ``(X, y)`` or ``(X, y,
            sample_weight)`` of any lengths in each pass, as a PyTorch DataLoader or a function that returns a
            generator. One pass counts and checks them, and fits the standardizer; each epoch is another. They are
            checked, standardised and shuffled some blocks at a time, while the program works on the ones before.
            Columns must be numbers; with an encoder, tables are read into memory.
        y : array or list
            Class numbers ``(m,)`` or ``(m, 1)``, one-hot or multi-label rows ``(m, n[L])``, real targets, or words
            ``(m,)``: those become :attr:`class_names`. Left out, the labels of the Table X. Beside an encoder, values
            are standardised for training; losses and predictions are in their own unit. For a Parquet file, dataset or
            lazy frame the name of the target column; left out where blocks bring theirs. Rows whose target is missing
            (None, NaN, NA or an empty text in words or in a column, and NaN beside a DataFrame) are left out.
        optimizer : Optimizer, str or None
            None takes Adam; with an encoder AdamW with a cosine schedule, and with a weight decay of 1000 / rows,
            between 0.2 and 5, for 256 hidden units; √(h/256) times that for h units in the narrowest hidden layer, and
            0 without hidden layers. A name (``"adam"``, ``"adamw"``, ``"rmsprop"``, or ``"gradient_descent"``, also
            ``"sgd"``, with momentum 0.9), and None, get the learning rate that ``gpunet train`` takes: 0.002 for Adam,
            2.5 times that with sigmoid in a hidden layer. None suits large inputs too where there is no standardizer:
            let s be their root mean square, rounded to a power of two. Then the first layer's initial weights are
            divided by s, and where s is above 4 the learning rate is multiplied by √(4/s).
        epochs : int or None
            None takes as many as make 1000 updates, between 10 and 100; with an encoder 5000, between 20 and 300.
        batch_size : int, None or "auto"
            1 is stochastic, None full batch (C18); "auto" takes 32, with an encoder 64, or all examples where there
            are fewer. Of data that are read block by block, a batch that takes more than 128 MiB is computed part by
            part, with one update at its end.
        shuffle : bool
            Draw a new order each epoch, from the seed. Of data that are read block by block: of the blocks, where they
            need not come in their order, and of the rows of 32 blocks (of about 1 MiB in float32) at a time. If rows
            are sorted, by class for instance, shuffle the file once with :func:`gpunet.datasets.shuffle`.
        precision : {"float32", "tf32", "bfloat16"}
            Of the matrix products of training. "float32" has float32's error, whichever way the products are computed.
            "tf32" (a mantissa of 10 bits) and "bfloat16" (7 bits) let their factors be rounded so, as a GPU's matrix
            units take them; a program for small batches may still compute in float32. Weights, biases, activations, the
            optimizer's state and all sums stay float32, and so do validation and predictions. For float32 networks on
            CuPy, PyTorch with CUDA, and JAX on a GPU or TPU. PyTorch computes "bfloat16" in TF32.
        validation_data : (X, y), (X, y, sample_weight), Table or None
            May be read block by block, too.
        validation_fraction : float
            Fraction of the rows to hold out for validation instead, drawn with the seed; of an X in memory.
        sample_weight : array ``(m,)`` or None
            Weight of each example's loss: ``J = (1/B) Σ w(i) L(i)`` over the B examples of a batch.
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
            device, not yet standardised; float64 where float64 or large integers are standardised, else of the
            network's dtype; with an encoder its outputs. They may be written into. y are rows ``(B, n[L])``
            as the loss takes them: one-hot for classes, smoothed by `label_smoothing`. X must come back in its shape,
            in any real dtype and as an array of any library. rng is a ``numpy.random.Generator``, drawn from the
            network's seed, the epoch and the step: runs repeat, and go on, to the bit. Not with batches that are
            computed part by part. Weights of examples stay with their rows.
        metrics : name, function ``(y_true, y_pred)``, a sequence of them, or a dict of names to them
            To be measured on the validation data after each epoch, see ``History.val_metrics``. A callback
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
            Called after each epoch; True ends the run. See :class:`EarlyStopping`. The next epoch begins with the
            weights that they give the network; the optimizer keeps its state, such as momentum.
        checkpoint : Checkpoint, folder or None
            Where to keep what a run needs to go on. The same call with a network made in the same way goes on from the
            newest checkpoint there, to the bit; once the run has ended it returns the history at once. A call with more
            epochs goes on too, unless the optimizer has a schedule, or the run has ended and had callbacks, which may
            have changed the weights.
        progress : bool
            Show a bar on a terminal and in Jupyter; elsewhere write a line per epoch to standard error, at most one
            per second. With progress or a checkpoint, Ctrl-C and SIGTERM act between two updates, within about half a
            second: the network keeps the weights of that update. Without, it keeps those of the last epoch.
        team : Team or None
            Processes that train this network together; the gradient of each batch is then added up in the team's lanes.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For bad input, an unknown metric, and for a precision that the device does not have, before anything has
            changed. For a metric that fails, after an epoch: the weights are those of that epoch.
        OSError
            If a file of data is missing (FileNotFoundError), or a folder or file to write to can't be.
        ImportError
            If the package is missing that reads such data, or that measures such a metric.
        RowsLeftOut, ColumnsIgnored
            Warnings: how many rows have no target, and which columns are not those of the first DataFrame.
        UnscaledInputs
            A warning, if the mean of ``|x|`` is above 10 and there is no standardizer.
        UndefinedMetric, CheckpointDamaged, CheckpointNotWritten
            Warnings during the run, which goes on.
        Diverged
            If the loss stops being finite; the network keeps the last finite weights.
        OutOfMemory
            If the device is too small; the weights are as they were after the last epoch.
        AnotherRun, FolderInUse
            If the folder of checkpoints is another run's; nothing has changed.
        RanksDiffer, RankFailed, TeamError
            If the ranks of the team were to train different things, another one of them has failed, or their GPUs no
            longer reach each other.
        """
        team = require_team(team)
        chosen = chosen_optimizer(optimizer, self.activations[:-1])
        if epochs is not None:
            epochs = positive_int("epochs", epochs)
        shuffle, progress = flag("shuffle", shuffle), flag("progress", progress)
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
            X, y, sample_weight, by_class(class_weight), validation_data, validation_fraction, label_smoothing
        )
        arrays = opened_arrays(arrays, self.dtype, whole=self.encoder is not None)
        measures = Metrics(metrics)
        # Ranks with a checkpoint look into its folder first; its steps cut the epochs of all ranks into chunks.
        steps = None if checkpoint is None else checkpoint.steps
        require_same(team, {"checkpoint=": checkpoint is not None, "steps of checkpoint=": steps})
        self._share_seed(team)
        call: dict[str, Any] = {}
        if checkpoint is not None or team.size > 1:
            call = self._call(
                arrays,
                optimizer=optimizer,
                epochs=epochs,
                batch_size=batch_size,
                shuffle=shuffle,
                precision=precision,
                transform=transform,
                metrics=metrics,
                callbacks=callbacks,
                lanes=team.lanes,
            )
        constant_rate = self.encoder is None and chosen.constant_rate
        trained, own = self._trained, self._own_functions()
        with open_run(checkpoint, call, trained.run_id, constant_rate, own, team) as run:
            if run is not None and run.saved is not None:
                self._take_up(run.saved)
                trained.run_id = run.id
                if run.finished:
                    if team.rank == 0:
                        restored_callbacks(callbacks, run.saved.training["run"])
                    self.history = History(**run.saved.training["run"]["history"])
                    return self.history
            settings = RunSettings(self.seed, shuffle, transform, measures, callbacks, progress, run, team)
            arrays, tabular = encoded(self._tabular, arrays, self.dtype, self.layers[-1], self.seed)
            given = None if optimizer is None else chosen
            return self._fit(arrays, tabular, given, epochs, batch_size, precision, settings, call)

    def _fit(
        self,
        arrays: FitArrays,
        tabular: Tabular,
        optimizer: Optimizer | None,
        epochs: int | None,
        batch_size: int | str | None,
        precision: str,
        settings: RunSettings,
        call: dict[str, Any],
    ) -> History:
        """Train as :meth:`fit` says, on arrays: check the data, then change the network."""
        placement = choose_placement(self.backend, self._placement, arrays.by_name(), follow=True)
        require_precision(precision, self.dtype, placement)
        errors = memory_errors(placement, "Use a smaller batch_size, fewer examples")
        with placement.context(), errors, ExitStack() as stack:
            evaluator = Evaluator(Evaluation(placement, self.activations), self.loss, tabular)
            data = self._checked_data(arrays, batch_size, optimizer, evaluator, settings)
            begun = stack.enter_context(self._started(settings))
            # Everything is checked: from here on the network changes.
            self._move_to(placement)
            with self._restored_on_error():
                self.standardizer = data.standardizer
                self.encoder, self.target, self.columns = tabular.with_columns_of(arrays.X)
                self.inputs, _ = data.size
                self._ready()
                if optimizer is None:
                    optimizer = self._default_optimizer(data)
                plan = data.plan(self.layers, self.dropouts, self.loss, optimizer, self.dtype, precision)
                plan = in_lanes(plan, settings.team.lanes)
                training = TrainingRun(
                    *(self, self._trained, plan, data, self._pipeline(placement), evaluator),
                    epochs=self._default_epochs(plan.steps) if epochs is None else epochs,
                    settings=settings,
                    starting=call,
                    save=lambda: self._saved(training_state=True),
                )
                data.check.settle()  # as late as possible: the device works on it meanwhile
                if self.standardizer is None:
                    warn_of_unscaled(placement.xp, data.training.X, data.check.mean_size)
                self.history = training.history
                begun.clear()  # the run finishes them
                return training.run()

    def _checked_data(
        self,
        arrays: FitArrays,
        batch_size: int | str | None,
        optimizer: Optimizer | None,
        evaluator: Evaluator,
        settings: RunSettings,
    ) -> FitData:
        """The data of a run, on its placement, and suited to what the run measures; nothing of the network changes."""
        placement, run = evaluator.placement, settings.checkpoints
        auto_batch = DEFAULT_BATCH if self.encoder is None else TABLE_BATCH
        raw, pipeline = settings.transform is not None, self._pipeline(placement)
        data = fit_examples(pipeline, arrays, batch_size, self.seed, auto_batch, raw=raw)
        if placement != self._placement or settings.callbacks or run is not None or settings.team.size > 1:
            data.check.settle()  # before anybody sees a change
        monitors = [*settings.callbacks, *([] if run is None else [run.checkpoint])]
        require_monitored(monitors, data.validation is not None, data.kind, settings.measures.directions)
        with np.errstate(all="ignore"):
            xp = placement.xp
            require_usable(xp, self.layers, self.loss, optimizer, getattr(xp, self.dtype))
        evaluator.require_computable(settings.measures, data.validation, data.kind)
        return data

    @contextmanager
    def _restored_on_error(self) -> Iterator[None]:
        """A context that an error before the first update leaves with the network as it was."""
        before = {name: getattr(self, name) for name in CHANGED_BY_FIT}
        self._trained.keep()
        try:
            yield
        except BaseException as error:
            # After a divergence the network has its weights with this standardizer.
            if not isinstance(error, Diverged) and self._trained.go_back():
                vars(self).update(before)
            raise

    def _default_optimizer(self, data: FitData) -> Optimizer:
        """What None stands for, for these data; large ones without a standardizer make the initial weights smaller."""
        if self.encoder is not None:
            return table_optimizer(data.size[1], self.layers[:-1])
        size = 1.0
        if self.standardizer is None:
            size = self._trained.size_of_inputs(self.placement.xp, data.training.X)
        return default_optimizer(self.activations[:-1], size)

    def _default_epochs(self, steps: int) -> int:
        """What None stands for, for epochs of so many updates."""
        if self.encoder is not None:
            return epochs_for(TABLE_UPDATES, steps)
        return epochs_for(UPDATES, steps, FEWEST_EPOCHS, MOST_EPOCHS)

    def _share_seed(self, team: Team) -> None:
        """Let ranks that have drawn a seed each have one of them."""
        seeds = team.gather(self.seed if self._seed_drawn and self._trained.state is None else None)
        if team.rank > 0 and None not in seeds:
            self.seed = seeds[0]

    @contextmanager
    def _started(self, settings: RunSettings) -> Iterator[list[Callback]]:
        """See :func:`started`: rank 0's callbacks, whose weights are then those of all ranks."""
        trained, team, before = self._trained, settings.team, self._trained.state
        with started(settings.callbacks if settings.is_first else [], self) as begun:
            changed = trained.state is not before
            before = None  # its memory is free once the run has another one
            run = settings.checkpoints
            if run is not None and run.saved is not None:
                if changed:
                    self._take_up(run.saved)  # it has what the callbacks set when the run began
                    trained.run_id = run.id
            elif team.size > 1:
                # A callback that reads weights alone may leave a new state, too: that of the initializers.
                self._share_weights(team, changed and trained.given)
            yield begun

    def _share_weights(self, team: Team, given: bool) -> None:
        """Give the other ranks the weights of rank 0, if a callback has set them."""
        weights = team.from_first(
            lambda: on_host(self._ready().parameters, self.placement) if given else None
        )
        if team.rank > 0 and weights is not None:
            self.set_parameters(weights)

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
        """The last layer's outputs, in the library and on the device of X.

        For classes these are probabilities, as scikit-learn's ``predict_proba`` gives; :meth:`predict_target` gives
        class names.

        Parameters
        ----------
        X : array, list, Table, DataFrame or file
            Rows ``(m, n[0])`` or images, as for :meth:`fit`.

        Returns
        -------
        array, ``(m, n[L])``
            A NumPy array for a Table or DataFrame. With an encoder, values are in the target's own unit, in float64.

        Raises
        ------
        ValueError, TypeError
            For a wrong shape, dtype, or numbers that are not finite; and while there are no weights.
        FileNotFoundError
            If X is the path of a file that is not there.
        ColumnsIgnored
            A warning: which columns of a DataFrame are not those of training.
        """
        if self._trained.state is None and self.inputs is None:
            raise ValueError("the network has no weights yet: fit it, or give Network inputs=…")
        if type(X) is not np.ndarray:  # an array is no file: for one row the question would take long
            X, _, _ = opened(X, None, None, self.dtype, whole=self.encoder is not None)
        X = self._tabular.rows("X", X, self.dtype)
        source = backend_of(X)
        placement = self.placement if self._trained.state is not None else self._placement_for({"X": X})
        where, A = placement, None
        if source is not placement.backend:
            where, A = self._outputs_on_host(X, placement)
        if A is None:
            A = self._outputs(X, placement)
        if self.target is not None and self.class_names is None:
            return self.target.decode(where.backend.to_host(A))[:, None]
        if source is None:
            return writable(where.backend.to_host(A))
        if source is where.backend:
            return source.move(A, source.device_of(X))
        return moved_to(Placement(source, source.device_of(X)), A, where.backend)

    def _outputs(self, X: Any, placement: Placement) -> Array:
        """``A[L]`` as rows on `placement`, by the backend's own forward pass if it has one."""
        if isinstance(X, Blocks):
            parts = ((block.first, block.X) for block in X.all())
        elif not isinstance(X, np.ndarray) or X.ndim < 2 or len(X) <= PART:
            return self._part_outputs(X, placement)
        else:
            # A copy of all rows in another dtype, or standardised, would take several times the memory of X.
            parts = ((first, X[first : first + PART]) for first in range(0, len(X), PART))
        outputs = [self._part_outputs(rows, placement, first) for first, rows in parts]
        with placement.context(), memory_errors(placement, FEWER_ROWS):
            return placement.xp.concat(outputs, axis=0)

    def _part_outputs(self, X: Any, placement: Placement, first_row: int = 0) -> Array:
        with placement.context(), memory_errors(placement, FEWER_ROWS):
            pipeline = self._pipeline(placement)
            rows = pipeline.rows("X", X, finite=False)
            self._move_to(placement)
            return self._forward.outputs(pipeline, rows, self.activations, self._ready(), first_row)

    def _outputs_on_host(self, X: Any, placement: Placement) -> tuple[Placement, Array | None]:
        """``A[L]`` as NumPy rows, for few rows that are on the host, and their placement; None for others."""
        state, host = self._trained.state, host_placement()
        if state is None or isinstance(X, Blocks):
            return placement, None
        with memory_errors(placement, FEWER_ROWS):
            A = self._forward.outputs_on_host(
                self._pipeline(host), X, placement.backend, self.activations, state
            )
        return (placement if A is None else host), A

    def predict_target(self, X: Any) -> Array:
        """The predicted targets as they are written: class names, or values in their own unit.

        Parameters
        ----------
        X
            As for :meth:`predict`.

        Returns
        -------
        numpy.ndarray, ``(m,)``

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
        """Loss and accuracy on data.

        The loss is summed over the outputs of an example, and averaged over the examples. Accuracy, from 0 to 1, is the
        fraction of examples whose class is predicted: that of the largest output, or, of one sigmoid output, class 1
        where it is above ½. For several labels it is the fraction of all labels that are right at ½. Real targets have
        no accuracy.

        Parameters
        ----------
        X, y
            As for :meth:`fit`. For a Table y may be left out. Rows without a target are not counted.
        sample_weight : array ``(m,)`` or None
            Weight of each example; it counts in the loss alone.
        metrics : name, function ``(y_true, y_pred)``, a sequence of them, or a dict of names to them
            As for :meth:`fit`.

        Returns
        -------
        dict of str to float
            ``{"loss": …, "accuracy": …}``, and each metric by its name. The loss of values is in the target's own unit.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        FileNotFoundError
            If X is the path of a file that is not there.
        ColumnsIgnored, UndefinedMetric
            Warnings, as for :meth:`fit`.
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
        named = None if names is None else texts("names", names)
        examples, kind = self._examples(X, y, None)
        given = self._evaluator.predicted(self._ready().parameters, examples, kind)
        return class_report(given, self.class_names if named is None else named)

    def gradients(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[float, list[tuple[Array, Array]]]:
        """The cost of these examples as one batch, and its gradients (C9).

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`evaluate`.

        Returns
        -------
        J : float
            Where values are standardised for training, that of the standardised ones.
        gradients : list of ``(dW, db)``
            ``∂J/∂W[l]`` and ``∂J/∂b[l]`` of each layer, shaped as the parameters and on the network's backend.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        examples, _ = self._examples(X, y, sample_weight)
        with self.placement.context(), memory_errors(self.placement, FEWER_ROWS):
            return gradients(
                self.placement.xp, self.activations, self.loss, self._ready().parameters, examples
            )

    def _placement_for(self, arrays: dict[str, Any]) -> Placement:
        """Where a call that trains nothing computes: with the weights, once there are any."""
        return choose_placement(self.backend, self._placement, arrays, follow=self._trained.state is None)

    def _examples(self, X: Any, y: Any, sample_weight: Any) -> tuple[Examples | Stream, str]:
        """Checked columns, or blocks of them, for a call that needs weights but changes none."""
        X, y, sample_weight = evaluate_rows(
            self.target, *opened(X, y, sample_weight, self.dtype, whole=self.encoder is not None)
        )
        X, y = self._tabular.examples("", X, y, self.dtype)
        placement = self._placement_for({"X": X, "y": y, "sample_weight": sample_weight})
        with placement.context(), memory_errors(placement, FEWER_ROWS):
            if isinstance(X, Blocks):
                stream, kind = checked_stream(self._pipeline(placement), X, y, sample_weight)
                self._move_to(placement)
                self.inputs = math.prod(X.shape[1:])
                return stream, kind
            examples, kind = self._pipeline(placement).examples(X, y, sample_weight)
            self._move_to(placement)
        self.inputs = int(examples.X.shape[0])
        return examples, kind

    def _pipeline(self, placement: Placement) -> InputPipeline:
        return InputPipeline(
            placement, self.dtype, self.inputs, self.layers[-1], self.loss, self.standardizer
        )

    @property
    def _evaluator(self) -> Evaluator:
        return Evaluator(Evaluation(self.placement, self.activations), self.loss, self._tabular)


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
    TypeError
        If `path` is no path, or `own` no sequence of activations and losses.
    """
    named_placement(backend)  # an error of that is not the file's
    saved = read_network(path, own)
    with refuse_on_error(path):
        return restored(Network, saved, backend)
