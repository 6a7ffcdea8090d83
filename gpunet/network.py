"""The network that people hold: rows in, rows out, on any array library."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.files import network_file as files
from gpunet.core.architecture import dense_and_dropouts, loss_for
from gpunet.training.callbacks import Callback, checked_callbacks, require_figures
from gpunet.core.checks import known_name, positive_int
from gpunet.inputs.fit_data import Data, Prepared, Reader, prepare, validation_pair
from gpunet.training.loop import Run, checked_optimizer, train
from gpunet.training.history import History
from gpunet.devices.placement import Home, choose_home, home_of, named_home
from gpunet.core.layers import Dense, Dropout
from gpunet.training.evaluation import CHUNK, measure, outputs
from gpunet.core.optimizers import Optimizer
from gpunet.core.plan import Layer, Plan
from gpunet.training.progress import Bar
from gpunet.core.propagation import cost_and_gradients
from gpunet.inputs.standardizer import Standardizer
from gpunet.summary import summary
from gpunet.training.state import Weights, given_weights, initial_weights

Array = Any


class Network:
    """A dense network (C6): layers, a loss, and where it computes.

    Parameters
    ----------
    layers : sequence of Dense and Dropout
        At least one :class:`Dense`; the last one is the output.
    loss : {"cross_entropy", "logistic", "squared_error", "absolute_error"} or None
        None takes the natural one of the output: cross-entropy for softmax, logistic for sigmoid, squared
        error otherwise.
    inputs : int or None
        ``n[0]``; None lets the first data decide.
    seed : int or None
        Of start, shuffling and dropout. The same seed gives the same on every backend; None draws one.
    backend : str
        ``"numpy"``, ``"cupy"``, ``"torch"``, ``"jax"``, with a device if wanted (``"cupy:1"``, ``"torch:cuda:0"``).
        ``"auto"`` takes the library and device of the training data; for NumPy arrays and lists CuPy if a CUDA
        device answers, else NumPy. The environment variable ``GPUNET_BACKEND`` overrides "auto".
    dtype : {"float32", "float64"}
    standardizer : Standardizer or None
        Fitted by the first ``fit``, then applied to every input (C15).

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
        loss: str | None = None,
        inputs: int | None = None,
        seed: int | None = None,
        backend: str = "auto",
        dtype: str = "float32",
        standardizer: Standardizer | None = None,
    ) -> None:
        self.layers, self.dropouts = dense_and_dropouts(layers)
        self.loss = loss_for(self.layers[-1], loss)
        self.inputs = None if inputs is None else positive_int("inputs", inputs)
        self.dtype = known_name("dtype", dtype, ("float32", "float64"))
        if seed is not None and (not isinstance(seed, numbers.Integral) or seed < 0):
            raise ValueError(f"seed must be a whole number of at least 0, or None; got {seed!r}")
        self.seed = int(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)
        if standardizer is not None and not isinstance(standardizer, Standardizer):
            raise TypeError(f"standardizer must be an object such as Standardizer(), got {standardizer!r}")
        self.standardizer = copy.deepcopy(standardizer)
        self.backend = backend
        self._home = named_home(backend)
        self._weights: Weights | None = None
        self._predictor: tuple[Weights, Callable[[Array], Array | None] | None] | None = None
        self._optimizer: Optimizer | None = None
        self._updates = 0
        self.epochs_trained = 0
        self.notes: dict[str, Any] = {}

    @property
    def activations(self) -> tuple[str, ...]:
        """Name of each layer's activation."""
        return tuple(layer.activation for layer in self.layers)

    @property
    def home(self) -> Home:
        """Library and device that the network computes on; "auto" may go elsewhere with the next data."""
        if self._home is None:
            self._home = choose_home(self.backend, None, {}, follow=False)
        return self._home

    # --- parameters -----------------------------------------------------------------------------

    @property
    def parameters(self) -> list[tuple[Array, Array]]:
        """``[(W, b), …]``: copies, ``W (n[l], n[l−1])`` and ``b (n[l], 1)``, on the network's backend.

        Raises
        ------
        ValueError
            While the number of inputs is not known.
        """
        weights, xp = self._ready(), self.home.xp
        with self.home.entered():
            return [(xp.asarray(W, copy=True), xp.asarray(b, copy=True)) for W, b in weights.parameters]

    def set_parameters(self, parameters: Sequence[tuple[Any, Any]]) -> None:
        """Replace all weights; arrays of any library, shaped as in :attr:`parameters`.

        The optimizer starts afresh in the next ``fit``.

        Raises
        ------
        ValueError, TypeError
            If a shape does not fit or a number is not finite. Nothing has changed then.
        """
        with self.home.entered():
            weights = given_weights(parameters, self.layers, self.inputs, self.home, self.dtype)
        self.inputs = int(weights.parameters[0][0].shape[1])
        self._weights, self._optimizer, self._updates = weights, None, 0

    def _ready(self) -> Weights:
        """The weights, drawn if there are none yet."""
        if self._weights is None:
            if self.inputs is None:
                raise ValueError(
                    "the network does not know its inputs yet: give Network inputs=…, or fit it first"
                )
            self._weights = initial_weights(self.layers, self.inputs, self.seed, self.home, self.dtype)
        return self._weights

    def _move(self, home: Home) -> None:
        """Live at `home` from now on, weights and all."""
        if self._weights is not None and home != self._home:
            self._weights = self._weights.moved(home, self.dtype)
        self._home = home

    def _reader(self, home: Home) -> Reader:
        fitted = self.standardizer is not None and self.standardizer.mean is not None
        standardizer = self.standardizer if fitted else None
        return Reader(home, self.dtype, self.inputs, self.layers[-1], self.loss, standardizer)

    # --- training -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | None = None,
        epochs: int = 10,
        batch_size: int | str | None = "auto",
        shuffle: bool = True,
        validation_data: tuple[Any, Any] | None = None,
        validation_fraction: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Callback | Sequence[Callback] = (),
        progress: bool = False,
    ) -> History:
        """Train (C19); a further call goes on from where the last one ended.

        Fitting 5 epochs twice is fitting 10 once, if the optimizer stays the same and has no schedule: its
        state is kept.

        Parameters
        ----------
        X : array or list
            Rows ``(m, n[0])``, or images ``(m, height, width[, channels])``, which are flattened (C1). Numbers are
            taken as they are; uint8 pixels are not scaled: use a :class:`Standardizer`.
        y : array or list
            Class numbers ``(m,)``, one-hot or multi-label rows ``(m, n[L])``, or real targets.
        optimizer : Optimizer or None
            None for ``GradientDescent(0.1)``.
        epochs : int
        batch_size : int, None or "auto"
            1 is stochastic, None full batch (C18); "auto" takes 32, or all examples where there are fewer.
        shuffle : bool
            Draw a new order each epoch, from the seed.
        validation_data : (X, y) or None
        validation_fraction : float
            Share of the rows to keep for validation instead, drawn with the seed.
        sample_weight : array ``(m,)`` or None
            Weight of each example's loss: ``J = (1/B) Σ w(i) L(i)``.
        class_weight : dict or sequence, or None
            Weight of each class, times ``sample_weight``.
        callbacks : callable ``(network, history)`` or sequence of them
            Called after each epoch; a true result ends the run. See :class:`EarlyStopping`.
        progress : bool
            Show a bar on standard error, if that is a terminal.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For bad input, before anything has changed.
        Diverged
            If the loss stops being finite; the last good weights are kept.
        OutOfMemory
            If the device is too small; the weights are as they were after the last epoch.
        """
        optimizer = checked_optimizer(optimizer)
        positive_int("epochs", epochs)
        callbacks = checked_callbacks(callbacks)
        arrays = {"X": X, "y": y, "sample_weight": sample_weight}
        arrays |= validation_pair(validation_data, validation_fraction)
        home = choose_home(self.backend, self._home, arrays, follow=True)
        with home.entered():
            prepared = prepare(
                self._reader(home),
                self.standardizer,
                self.seed,
                X,
                y,
                batch_size,
                validation_data,
                validation_fraction,
                sample_weight,
                class_weight,
            )
            require_figures(callbacks, prepared.held_out is not None, prepared.kind)
            for callback in callbacks:
                if hasattr(callback, "start"):
                    callback.start(self)
            # Everything is checked: from here on the network changes.
            self._move(home)
            self.standardizer = prepared.standardizer
            self.inputs = int(prepared.training.X.shape[0])
            return self._train(prepared, optimizer, epochs, shuffle, callbacks, progress)

    def _train(
        self,
        prepared: Prepared,
        optimizer: Optimizer,
        epochs: int,
        shuffle: bool,
        callbacks: Sequence[Callback],
        progress: bool,
    ) -> History:
        training, held_out, kind = prepared.training, prepared.held_out, prepared.kind
        if optimizer != self._optimizer:  # the state that is kept belongs to another one
            self._weights = self._ready().with_slots(optimizer.slots, self.home)
            self._optimizer, self._updates = optimizer, 0
        plan = self._plan(optimizer, prepared)
        bar = Bar(progress, epochs, plan.examples)
        run = Run(plan, self.home, training, self.seed, shuffle, epochs, bar.part)

        def commit(weights: Weights, updates: int, epochs_trained: int) -> None:
            self._weights, self._updates, self.epochs_trained = weights, updates, epochs_trained

        def after_epoch() -> bool:
            share = None
            if held_out is not None:
                figures = self._measure(held_out, kind)
                run.history.val_loss.append(figures["loss"])
                share = figures.get("accuracy")
                if share is not None:
                    run.history.val_accuracy.append(share)
            elif bar.visible and kind != "values":
                few = min(CHUNK, plan.examples)
                some = Data(training.X[:, :few], training.Y[:, :few], None)
                share = self._measure(some, kind)["accuracy"]
            bar.epoch(run.history, share)
            return any([callback(self, run.history) for callback in callbacks])  # each one is called

        try:
            train(run, self._ready(), self.epochs_trained, self._updates, commit, after_epoch, bar.advance)
        finally:
            bar.close()
            for callback in callbacks:
                if hasattr(callback, "finish"):
                    callback.finish(self, run.history)
        return run.history

    def _plan(self, optimizer: Optimizer, prepared: Prepared) -> Plan:
        n, m = prepared.training.X.shape
        sizes = [int(n), *(layer.units for layer in self.layers)]
        layers = tuple(
            Layer(sizes[l], layer.units, layer.activation, self.dropouts[l])
            for l, layer in enumerate(self.layers)
        )
        weighted = prepared.training.weights is not None
        return Plan(layers, self.loss, optimizer, int(m), prepared.batch_size, self.dtype, weighted)

    # --- use ------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The last layer's activations, rows ``(m, n[L])``, in the library and on the device of X.

        Raises
        ------
        ValueError, TypeError
            For a wrong shape, dtype, or numbers that are not finite.
        """
        if self._weights is None and self.inputs is None:
            raise ValueError("the network has no weights yet: fit it, or give Network inputs=…")
        A = self._at_once(X)
        if A is not None:
            return A
        came_from = home_of({"X": X})
        home = self.home if self._weights is not None else self._home_for({"X": X})
        with home.entered():
            rows = self._reader(home).rows("X", X)
            self._move(home)
            A = self._outputs(rows)
        if came_from is None:
            return home.backend.to_host(A)
        if came_from.backend.name == home.backend.name:
            return home.backend.move(A, came_from.device)
        return came_from.send(np.ascontiguousarray(home.backend.to_host(A)))

    def _at_once(self, X: Any) -> Array | None:
        """``A[L]`` of X by the backend's own forward pass, if that has been made and X is what it takes, unchecked."""
        weights, faster = self._predictor or (None, None)
        if faster is None or weights is not self._weights or weights is None or self.standardizer is not None:
            return None
        backend, W = self.home.backend, weights.parameters[0][0]
        if not backend.owns(X) or X.dtype != W.dtype or X.shape[1:] != W.shape[1:] or X.shape[0] == 0:
            return None
        return faster(X) if backend.device_of(X) == self.home.device else None

    def _outputs(self, rows: Array) -> Array:
        """``A[L]`` as rows, by the backend's own forward pass if it has one for these weights."""
        weights, home = self._ready(), self.home
        if self._predictor is None or self._predictor[0] is not weights:
            self._predictor = weights, home.backend.predictor(self.activations, weights.parameters)
        faster = self._predictor[1]
        A = None if faster is None else faster(rows)
        return outputs(home.xp, self.activations, weights.parameters, rows) if A is None else A

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Cost and accuracy on data: ``{"loss": …, "accuracy": …}``; real targets have no accuracy.

        Accuracy is the share of examples whose class is right; for several sigmoid outputs with rows of
        labels, the share of labels that are right at ½. Weights of examples count in the loss alone.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        return self._measure(*self._data(X, y, sample_weight))

    def gradients(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, list[tuple[Array, Array]]]:
        """``(J, [(dW, db), …])`` for these examples as one batch, shaped as the parameters (C9).

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        data, _ = self._data(X, y, sample_weight)
        with self.home.entered(), np.errstate(all="ignore"):  # what overflows is seen in the result
            J, gradients = cost_and_gradients(
                self.home.xp, self.activations, self.loss, self._ready().parameters, *data
            )
        return float(J), gradients

    def _home_for(self, arrays: dict[str, Any]) -> Home:
        """Where a call that trains nothing computes: with the weights, once there are any."""
        return choose_home(self.backend, self._home, arrays, follow=self._weights is None)

    def _data(self, X: Any, y: Any, sample_weight: Any) -> tuple[Data, str]:
        """Checked columns for a call that needs weights but changes none."""
        home = self._home_for({"X": X, "y": y, "sample_weight": sample_weight})
        with home.entered():
            data, kind = self._reader(home).data(X, y, sample_weight)
            self._move(home)
        self.inputs = int(data.X.shape[0])
        return data, kind

    def _measure(self, data: Data, kind: str) -> dict[str, float]:
        weights, home = self._ready(), self.home
        with home.entered():
            return measure(home.xp, self.activations, self.loss, weights.parameters, data, kind)

    # --- keeping and looking --------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write architecture, weights and standardiser to a safetensors file, whole or not at all.

        The optimizer's state is not kept: training goes on from the weights.

        Raises
        ------
        ValueError
            If there are no weights yet.
        OSError
            If there is no such folder, or the file can't be written; an old file is as it was.
        """
        files.save(self, path)

    def summary(self) -> str:
        """A table of layers, shapes and parameter counts."""
        return summary(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in [self.inputs or "?", *(d.units for d in self.layers)])
        where = self._home.backend.name if self._home else self.backend
        return f"<Network {sizes}, {self.loss}, {where}, {self.dtype}>"
