"""What a network is: its layers, its parameters, what it knows of its data, and its file."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from gpunet.core.activations import Activation, ActivationLike
from gpunet.core.architecture import dense_and_dropouts
from gpunet.core.checks import flag, known_name, positive_int
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import Loss, LossLike
from gpunet.core.output import loss_for, output_for
from gpunet.core.program import TrainState
from gpunet.core.table_training import UNITS
from gpunet.devices.placement import Placement, choose_placement, named_placement
from gpunet.files.network_file import write_network
from gpunet.files.saved_network import SavedNetwork
from gpunet.inputs.standardizer import Standardizer
from gpunet.inputs.tabular import Tabular, require_encoder
from gpunet.prediction import ForwardPass
from gpunet.summary import summary, summary_html
from gpunet.training.history import History
from gpunet.training.saved import on_host
from gpunet.training.state import copied
from gpunet.training.trained import Trained

if TYPE_CHECKING:
    from gpunet.tables import TableEncoder
    from gpunet.tables.target import Target

Array = Any
Kind = TypeVar("Kind", bound="NetworkBase")


class NetworkBase:
    """A network without its training and its use; :class:`gpunet.Network` has these, and the description."""

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
        whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
        if seed is not None and (not whole or seed < 0):
            raise ValueError(f"seed must be a whole number of at least 0, or None; got {seed!r}")
        self.seed = int(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)
        self._seed_drawn = seed is None
        if standardizer is not None and not isinstance(standardizer, Standardizer):
            raise TypeError(f"standardizer must be an object such as Standardizer(), got {standardizer!r}")
        self.standardizer = copy.deepcopy(standardizer)
        if encoder is not None:
            require_encoder("encoder", encoder)
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
    ) -> Self:
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

        Raises
        ------
        TypeError
            If `table` is no Table, or `hidden` no sequence.
        ValueError
            If the table has no target, or its target has one class only; and as for :class:`Network`.

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
        from gpunet.tables import Table, TableEncoder
        from gpunet.tables.target import Target

        if not isinstance(table, Table):
            raise TypeError(
                f"table must be a Table with a target, got {type(table).__name__}: give what "
                "gpunet.datasets.read_table(…, target=…) returns, which reads files, DataFrames and dicts of columns"
            )
        if isinstance(hidden, str) or not isinstance(hidden, Sequence):
            raise TypeError(f"hidden must be a list of units such as (256, 128), got {hidden!r}")
        target = Target().fit(table)
        names = target.class_names
        output = output_for("values", 1) if names is None else output_for("classes", len(names))
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
        state = self._ready()
        with self.placement.context():
            return copied(self.placement.xp, state.parameters)

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

    @property
    def _tabular(self) -> Tabular:
        return Tabular(self.encoder, self.target, self.columns)

    def set_trainable(self, trainable: bool | Sequence[bool]) -> None:
        """Freeze layers, or make them trainable again: which :class:`Dense` layers the next ``fit`` changes.

        W and b of a frozen layer stay the same to the bit, whatever the optimizer; weight decay leaves them alone, and
        ``clip_norm`` counts the gradients of trainable layers only. What frozen layers below the first trainable one
        give is computed once per ``fit``. ``layers`` and the saved file say which layers are frozen.

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

    # --- saving and printing --------------------------------------------------------------------

    def save(self, path: str | Path, *, training_state: bool = False) -> None:
        """Write architecture, weights, and standardizer or encoder to a safetensors file, whole or not at all.

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
        write_network(path, self._saved(flag("training_state", training_state)))

    def to_onnx(self, path: str | Path) -> None:
        """Write an ONNX file, which onnxruntime and other tools run without gpunet; whole or not at all.

        The standardizer, or the encoder of tables, is part of it, and its outputs are those of :meth:`predict`.

        - Arrays: one input ``X (rows, n[0])``, in the network's dtype; float64 where there is a standardizer, which
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
        ImportError
            If onnx is not installed.
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
        that were standardised for training come in their own unit. A standardizer is its first module. A table's
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

        return torch_module(self._saved(training_state=False), flag("logits", logits))

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


def restored(kind: type[Kind], saved: SavedNetwork, backend: str = "auto") -> Kind:
    """The network that a file, or another tool's network, describes."""
    network = kind(
        *(saved.layers, saved.loss, saved.inputs, saved.seed, backend, saved.dtype),
        standardizer=saved.standardizer,
        encoder=saved.encoder,
    )
    network._take_up(saved)
    network.notes = saved.notes
    return network
