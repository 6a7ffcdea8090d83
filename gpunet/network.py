"""The network that people hold: rows in, rows out, on any array library."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import rows as front
from gpunet.backend import find_device, get_backend
from gpunet.callbacks import Callback
from gpunet.checks import known_name, positive_int, unit_interval
from gpunet.fitting import Data, Run, Weights, train
from gpunet.history import History
from gpunet.layers import Dense, Dropout
from gpunet.losses import LOSSES, cost
from gpunet.metrics import accuracy
from gpunet.optimizers import GradientDescent, Optimizer
from gpunet.plan import Layer, Plan
from gpunet.progress import Bar
from gpunet.propagation import cost_and_gradients, forward
from gpunet.rows import Home
from gpunet.standardizer import Standardizer
from gpunet.summary import summary

Array = Any

# Examples that predict and evaluate take at a time: enough for full speed, little memory.
CHUNK = 8192


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
    >>> net = gn.Network([gn.Dense(2, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
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
        self.layers, self._dropouts = _dense_and_dropouts(layers)
        self.loss = _loss_for(self.layers[-1], loss)
        self.inputs = None if inputs is None else positive_int("inputs", inputs)
        self.dtype = known_name("dtype", dtype, ("float32", "float64"))
        if seed is not None and (not isinstance(seed, numbers.Integral) or seed < 0):
            raise ValueError(f"seed must be a whole number of at least 0, or None; got {seed!r}")
        self.seed = int(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)
        if standardizer is not None and not isinstance(standardizer, Standardizer):
            raise TypeError(f"standardizer must be a gpunet.Standardizer, got {standardizer!r}")
        self.standardizer = copy.deepcopy(standardizer)
        self.backend = backend
        self._home: Home | None = None
        resolved = get_backend(backend)  # an unknown or missing one is said here, not in fit
        if backend != "auto":
            self._home = Home(resolved, find_device(resolved, backend))
        self._weights: Weights | None = None
        self._optimizer: Optimizer | None = None
        self._updates = 0
        self.epochs_trained = 0
        self.notes: dict[str, Any] = {}

    # --- parameters -----------------------------------------------------------------------------

    @property
    def parameters(self) -> list[tuple[Array, Array]]:
        """``[(W, b), …]``: copies, ``W (n[l], n[l−1])`` and ``b (n[l], 1)``, on the network's backend.

        Raises
        ------
        ValueError
            While the number of inputs is not known.
        """
        weights, home = self._ready()
        xp = home.backend.namespace()
        return [(xp.asarray(W, copy=True), xp.asarray(b, copy=True)) for W, b in weights.parameters]

    def set_parameters(self, parameters: Sequence[tuple[Any, Any]]) -> None:
        """Replace all weights; arrays of any library, shaped as in :attr:`parameters`.

        Raises
        ------
        ValueError, TypeError
            If a shape does not fit or a number is not finite. Nothing has changed then.
        """
        given = [tuple(pair) for pair in parameters]
        if len(given) != len(self.layers) or any(len(pair) != 2 for pair in given):
            raise ValueError(
                f"parameters must be {len(self.layers)} pairs (W, b), one for each dense layer; got "
                f"{len(given)} items"
            )
        home = self._settle({})
        xp = home.backend.namespace()
        new = []
        n_in = self.inputs
        for l, ((W, b), layer) in enumerate(zip(given, self.layers, strict=True), start=1):
            W = front.bring(f"W[{l}]", W, home, self.dtype)
            b = front.bring(f"b[{l}]", b, home, self.dtype)
            if n_in is None and len(W.shape) == 2:
                n_in = W.shape[1]
            for name, array, wanted in (("W", W, (layer.units, n_in)), ("b", b, (layer.units, 1))):
                if tuple(array.shape) != wanted:
                    raise ValueError(f"{name}[{l}] must have shape {wanted}, got {tuple(array.shape)}")
                front.require_finite(xp, f"{name}[{l}]", array)
            new.append((xp.asarray(W, copy=True), xp.asarray(b, copy=True)))
            n_in = layer.units
        self.inputs = int(new[0][0].shape[1])
        self._weights = Weights(new, self._no_state(new, None, home))
        self._optimizer, self._updates = None, 0

    def _no_state(self, parameters: Any, optimizer: Optimizer | None, home: Home) -> Any:
        xp = home.backend.namespace()
        slots = 0 if optimizer is None else optimizer.slots
        return [tuple(tuple(xp.zeros_like(p) for _ in range(slots)) for p in layer) for layer in parameters]

    def _start(self, inputs: int, home: Home) -> Weights:
        """Weights as the initializers draw them, on the host, in the layers' order (C16)."""
        rng = np.random.default_rng(self.seed)
        parameters = []
        n_in = inputs
        for layer in self.layers:
            values = np.asarray(layer.start(rng, layer.units, n_in))
            W = np.array(np.broadcast_to(values, (layer.units, n_in)), dtype=self.dtype)
            b = np.zeros((layer.units, 1), dtype=self.dtype)
            parameters.append(
                (home.backend.from_host(W, home.device), home.backend.from_host(b, home.device))
            )
            n_in = layer.units
        return Weights(parameters, self._no_state(parameters, None, home))

    # --- where it computes ----------------------------------------------------------------------

    def _settle(self, arrays: dict[str, Any], follow: bool = False) -> Home:
        """Where to compute a call with these arrays; `follow` lets "auto" go where the data are."""
        came_from = front.home_of(arrays)
        if self._home is not None and not (follow and self.backend == "auto"):
            return self._home
        default = get_backend("auto")
        home = Home(default, default.devices()[0])
        if _forced() is not None:
            home = Home(default, find_device(default, _forced() or ""))
        elif came_from is not None and came_from.backend.name != "numpy":
            home = came_from
        if self._home is None:
            self._home = home
        return home

    def _move(self, home: Home) -> None:
        """Take the weights along to another library or device."""
        if self._weights is not None and self._home not in (None, home):

            def over(p: Array) -> Array:
                return front.bring("parameters", p, home, self.dtype)

            self._weights = Weights(
                [(over(W), over(b)) for W, b in self._weights.parameters],
                [
                    (tuple(over(s) for s in slots_W), tuple(over(s) for s in slots_b))
                    for slots_W, slots_b in self._weights.state
                ],
            )
        self._home = home

    def _ready(self) -> tuple[Weights, Home]:
        home = self._settle({})
        if self._weights is None:
            if self.inputs is None:
                raise ValueError(
                    "the network does not know its inputs yet: give Network inputs=…, or fit it first"
                )
            self._weights = self._start(self.inputs, home)
        return self._weights, home

    def _features(self, name: str, X: Any, home: Home) -> Array:
        """X as rows, checked and standardised."""
        rows = front.features(name, X, home, self.dtype, self.inputs)
        if self.standardizer is not None and self.standardizer.mean is not None:
            rows = self.standardizer.apply(home.backend.namespace(), rows, self._sender(home))
        return rows

    @staticmethod
    def _sender(home: Home) -> Any:
        return lambda host: home.backend.from_host(host, home.device)

    def _targets(self, name: str, y: Any, home: Home, m: int) -> front.Targets:
        last = self.layers[-1]
        return front.targets(name, y, home, self.dtype, m, last.units, last.activation, self.loss)

    # --- training -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | None = None,
        epochs: int = 10,
        batch_size: int | None = 32,
        shuffle: bool = True,
        validation_data: tuple[Any, Any] | None = None,
        validation_fraction: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Sequence[Callback] = (),
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
        batch_size : int or None
            1 is stochastic, None full batch (C18).
        shuffle : bool
            Draw a new order each epoch, from the seed.
        validation_data : (X, y) or None
        validation_fraction : float
            Share of the rows to keep for validation instead, drawn with the seed.
        sample_weight : array ``(m,)`` or None
            Weight of each example's loss: ``J = (1/B) Σ w(i) L(i)``.
        class_weight : dict or sequence, or None
            Weight of each class, times ``sample_weight``.
        callbacks : sequence of callables ``(network, history)``
            Called after each epoch; a true result ends the run. See :class:`EarlyStopping`.
        progress : bool
            Show a bar on standard error, if that is a terminal.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For bad input, before any weight has changed.
        Diverged
            If the loss stops being finite; the last good weights are kept.
        OutOfMemory
            If the device is too small; the weights are as they were after the last epoch.
        """
        optimizer = GradientDescent() if optimizer is None else optimizer
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be one of gpunet's, such as Adam(), got {optimizer!r}")
        positive_int("epochs", epochs)
        arrays = {"X": X, "y": y, "sample_weight": sample_weight}
        if validation_data is not None:
            arrays |= _validation_arrays(validation_data, validation_fraction)
        home = self._settle(arrays, follow=True)
        # A standardiser that isn't fitted is left out here, so this X is as it came.
        X_rows = self._features("X", X, home)
        m, inputs = X_rows.shape
        size = _batch_size(batch_size, m)
        goal = self._targets("y", y, home, m)
        weights_row = front.example_weights(sample_weight, class_weight, goal.Y, goal.kind, home, self.dtype)
        training, held_out = Data(X_rows.T, goal.Y, weights_row), None
        if validation_fraction:
            training, held_out = self._hold_out(training, validation_fraction, home)
            size = _batch_size(None if batch_size is None else size, training.X.shape[1])
        fresh = self._measure(training.X.T, home)
        if fresh is not None:
            training = training._replace(X=fresh.apply(*self._applied(training.X.T, home)).T)
        if validation_data is not None:
            Xv = front.features("validation X", validation_data[0], home, self.dtype, inputs)
            scaler = fresh or self.standardizer
            if scaler is not None:
                Xv = scaler.apply(*self._applied(Xv, home))
            goal_v = self._targets("validation y", validation_data[1], home, Xv.shape[0])
            held_out = Data(Xv.T, goal_v.Y, None)
        elif held_out is not None and fresh is not None:
            held_out = held_out._replace(X=fresh.apply(*self._applied(held_out.X.T, home)).T)

        # Everything is checked: from here on the network changes.
        if fresh is not None:
            self.standardizer = fresh
        self.inputs = int(inputs)
        self._move(home)
        start = self._resume(optimizer)
        plan = self._plan(optimizer, training.X.shape[1], size, training.weights is not None)
        run = Run(plan, *home, training, self.seed, shuffle, epochs)
        bar = Bar(progress, epochs, plan.examples)

        def commit(weights: Weights, updates: int) -> None:
            self._weights, self._updates = weights, updates

        def after_epoch() -> bool:
            self.epochs_trained += 1
            share = None
            if held_out is not None:
                figures = self._measure_columns(held_out, goal.kind, home)
                run.history.val_loss.append(figures["loss"])
                share = figures.get("accuracy")
                if share is not None:
                    run.history.val_accuracy.append(share)
            elif bar.visible and goal.kind != "values":
                few = min(CHUNK, plan.examples)
                some = Data(training.X[:, :few], training.Y[:, :few], None)
                share = self._measure_columns(some, goal.kind, home).get("accuracy")
            bar.epoch(run.history, share)
            results = [callback(self, run.history) for callback in callbacks]
            return any(results)

        for callback in callbacks:
            if hasattr(callback, "start"):
                callback.start(self)
        try:
            train(run, start, self.epochs_trained, self._updates, commit, after_epoch, bar.advance)
        finally:
            bar.close()
            for callback in callbacks:
                if hasattr(callback, "finish"):
                    callback.finish(self, run.history)
        return run.history

    def _applied(self, rows: Array, home: Home) -> tuple[Any, Array, Any]:
        return home.backend.namespace(), rows, self._sender(home)

    def _measure(self, rows: Array, home: Home) -> Standardizer | None:
        """The standardiser, fitted on these rows if it has not been yet; else None."""
        if self.standardizer is None or self.standardizer.mean is not None:
            return None
        fitted = copy.deepcopy(self.standardizer)
        fitted.mean, fitted.deviation = fitted.measure(
            home.backend.namespace(), rows, self._sender(home), home.backend.to_host
        )
        return fitted

    def _hold_out(self, data: Data, fraction: float, home: Home) -> tuple[Data, Data]:
        """Training and validation parts, drawn with the seed."""
        m = data.X.shape[1]
        held = round(unit_interval("validation_fraction", fraction) * m)
        if not 0 < held < m:
            raise ValueError(f"validation_fraction={fraction} of {m} examples leaves a part empty")
        order = np.random.default_rng([self.seed, 2**31]).permutation(m).astype(np.int32)
        xp = home.backend.namespace()

        def part(chosen: Any) -> Data:
            index = home.backend.from_host(np.sort(chosen), home.device)
            taken = [None if a is None else xp.take(a.T, index, axis=0).T for a in data]
            return Data(*taken)

        return part(order[held:]), part(order[:held])._replace(weights=None)

    def _resume(self, optimizer: Optimizer) -> Weights:
        """Weights and optimizer state to start from: the state is fresh unless the optimizer is the same."""
        weights, home = self._ready()
        if optimizer != self._optimizer:
            self._optimizer, self._updates = optimizer, 0
            fresh = self._no_state(weights.parameters, optimizer, home)
            self._weights = weights = Weights(weights.parameters, fresh)
        return weights

    def _plan(self, optimizer: Optimizer, m: int, batch_size: int, weighted: bool) -> Plan:
        sizes = [self.inputs or 0, *(layer.units for layer in self.layers)]
        layers = tuple(
            Layer(sizes[l], layer.units, layer.activation, self._dropouts[l])
            for l, layer in enumerate(self.layers)
        )
        return Plan(layers, self.loss, optimizer, m, batch_size, self.dtype, weighted)

    # --- use ------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The last layer's activations, rows ``(m, n[L])``, in the library and on the device of X.

        Raises
        ------
        ValueError, TypeError
            For a wrong shape, dtype, or numbers that are not finite.
        """
        came_from = front.home_of({"X": X})
        if self._weights is None and self.inputs is None:
            raise ValueError("the network has no weights yet: fit it, or give Network inputs=…")
        self._settle({"X": X}, follow=self._weights is None)
        weights, home = self._ready()
        rows = self._features("X", X, home)
        xp = home.backend.namespace()
        parts = [
            self._forward(weights, rows[i : min(i + CHUNK, rows.shape[0]), :].T, home)[0].T
            for i in range(0, rows.shape[0], CHUNK)
        ]
        A = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
        if came_from is None:
            return home.backend.to_host(A)
        if came_from.backend.name == home.backend.name:
            return home.backend.move(A, came_from.device)
        host = np.ascontiguousarray(home.backend.to_host(A))
        return came_from.backend.from_host(host, came_from.device)

    def _forward(self, weights: Weights, X: Array, home: Home) -> tuple[Array, Array]:
        """``A[L]`` and ``Z[L]`` of columns."""
        names = [layer.activation for layer in self.layers]
        with np.errstate(over="ignore", under="ignore"):
            A, caches = forward(home.backend.namespace(), names, weights.parameters, X)
        return A, caches[-1].Z

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Cost and accuracy on data: ``{"loss": …, "accuracy": …}``; real targets have no accuracy.

        Accuracy is the share of examples whose class is right; for several sigmoid outputs with rows of
        labels, the share of labels that are right at ½.

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        home, data, kind = self._data(X, y, sample_weight)
        return self._measure_columns(data, kind, home)

    def gradients(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, list[tuple[Array, Array]]]:
        """``(J, [(dW, db), …])`` for these examples as one batch, shaped as the parameters (C9).

        Raises
        ------
        ValueError, TypeError
            For bad input.
        """
        home, data, _ = self._data(X, y, sample_weight)
        weights, _ = self._ready()
        names = [layer.activation for layer in self.layers]
        J, gradients = cost_and_gradients(
            home.backend.namespace(), names, self.loss, weights.parameters, *data
        )
        return float(J), gradients

    def _data(self, X: Any, y: Any, sample_weight: Any) -> tuple[Home, Data, str]:
        """Checked columns for a call that needs weights but changes none."""
        arrays = {"X": X, "y": y, "sample_weight": sample_weight}
        home = self._settle(arrays, follow=self._weights is None)
        _, inputs = front.shape_of("X", X, self.inputs)
        rows = self._features("X", X, home)
        goal = self._targets("y", y, home, rows.shape[0])
        weights = front.example_weights(sample_weight, None, goal.Y, goal.kind, home, self.dtype)
        if self.inputs is None:
            self.inputs = inputs
        self._ready()
        return home, Data(rows.T, goal.Y, weights), goal.kind

    def _measure_columns(self, data: Data, kind: str, home: Home) -> dict[str, float]:
        """Loss and accuracy, chunk by chunk."""
        xp = home.backend.namespace()
        weights, _ = self._ready()
        last = self.layers[-1].activation
        m = data.X.shape[1]
        total, right = 0.0, 0.0
        for i in range(0, m, CHUNK):
            X, Y, w = (None if a is None else a[:, i : min(i + CHUNK, m)] for a in data)
            assert X is not None and Y is not None
            A, Z = self._forward(weights, X, home)
            share = X.shape[1] / m
            total += share * float(cost(xp, LOSSES[self.loss], last, Z, A, Y, w))
            if kind != "values":
                right += share * accuracy(xp, A, Y, kind)
        return {"loss": total} if kind == "values" else {"loss": total, "accuracy": right}

    # --- keeping and looking --------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write architecture, weights and standardiser to a safetensors file, whole or not at all.

        Raises
        ------
        ValueError
                If there are no weights yet.
        """
        from gpunet.files import save

        save(self, path)

    def summary(self) -> str:
        """A table of layers, shapes and parameter counts."""
        return summary(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in [self.inputs or "?", *(d.units for d in self.layers)])
        where = self._home.backend.name if self._home else self.backend
        return f"<Network {sizes}, {self.loss}, {where}, {self.dtype}>"


def _forced() -> str | None:
    import os

    name = os.environ.get("GPUNET_BACKEND", "auto")
    return None if name == "auto" else name


def _dense_and_dropouts(layers: Any) -> tuple[tuple[Dense, ...], tuple[float, ...]]:
    """The dense layers, and the dropout rate of each one's inputs."""
    if isinstance(layers, Dense | Dropout):
        layers = [layers]
    dense, rates, rate = [], [], 0.0
    for layer in layers:
        if isinstance(layer, Dropout):
            rate = 1.0 - (1.0 - rate) * (1.0 - layer.rate)
        elif isinstance(layer, Dense):
            dense.append(layer)
            rates.append(rate)
            rate = 0.0
        else:
            raise TypeError(f"a layer must be a Dense or a Dropout, got {layer!r}")
    if not dense:
        raise ValueError("a network needs at least one Dense layer")
    if rate:
        raise ValueError("Dropout after the last layer would drop predictions; put it before")
    return tuple(dense), tuple(rates)


def _loss_for(output: Dense, loss: str | None) -> str:
    """The loss, checked against the output activation."""
    if output.activation == "softmax" and output.units == 1:
        raise ValueError(
            "softmax over one unit is always 1; use Dense(1, 'sigmoid') with 'logistic', or one unit "
            "for each class"
        )
    if loss is None:
        fitting = [name for name, one in LOSSES.items() if one.natural == output.activation]
        return fitting[0] if fitting else "squared_error"
    known_name("loss", loss, LOSSES)
    outputs = LOSSES[loss].outputs
    if outputs is not None and output.activation not in outputs:
        raise ValueError(
            f"{loss} needs an output between 0 and 1"
            + (" that sums to 1" if loss == "cross_entropy" else "")
            + f": {' or '.join(sorted(outputs))}; the last layer is {output.activation}. "
            + ("Independent sigmoids go with 'logistic'." if output.activation == "sigmoid" else "")
        )
    return loss


def _batch_size(batch_size: int | None, m: int) -> int:
    if batch_size is None:
        return m
    size = positive_int("batch_size", batch_size)
    if size > m:
        raise ValueError(
            f"batch_size is {size}, but there are only {m} examples; None takes them all at once"
        )
    return size


def _validation_arrays(validation_data: Any, fraction: float) -> dict[str, Any]:
    if fraction:
        raise ValueError("give validation_data or validation_fraction, not both")
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise ValueError("validation_data must be a pair (X, y)")
    return {"validation X": validation_data[0], "validation y": validation_data[1]}
