"""From options and data to the network and the optimizer of ``gpunet train``, with defaults that suit the data."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import gpunet as gn
from gpunet.cli.source import Examples, Source
from gpunet.core.default_optimizer import MOMENTUM, default_rate
from gpunet.core.optimizers import OPTIMIZERS, Optimizer
from gpunet.core.output import output_for
from gpunet.core.schedules import Schedule
from gpunet.core.table_training import UPDATES as TABLE_UPDATES
from gpunet.core.table_training import epochs_for, table_weight_decay
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.training.logs import FileLog, file_log

BATCH_SIZE = 64
ACTIVATION = "relu"
UPDATES = 2000  # of arrays, where they make between 20 and 300 epochs
FIND = "find"  # for --learning-rate
SCHEDULES = ("cosine", "constant", "exponential", "inverse_time")


def build_network(options: Namespace, source: Source) -> gn.Network:
    """The network for the options and the data; for a table with its encoder, fitted to the training part."""
    output = output_layer(options, source)
    if options.dropout and not options.hidden:
        raise ValueError(
            "--dropout comes after each hidden layer, and --hidden none has none: leave one of both out"
        )
    if options.activation is not None and not options.hidden:
        raise ValueError(
            "--activation is that of the hidden layers, and --hidden none has none: leave it out; --output is the "
            "activation of the last layer"
        )
    layers: list[gn.Dense | gn.Dropout] = []
    for units in options.hidden:
        layers.append(gn.Dense(units, options.activation or ACTIVATION))
        if options.dropout:
            layers.append(gn.Dropout(options.dropout))
    encoder = table_encoder(options, source) if source.is_table else None
    return gn.Network(
        [*layers, output],
        loss=options.loss,
        inputs=source.training.X.shape[1] if encoder is None else len(encoder.feature_names),
        seed=options.seed,
        backend=options.backend,
        dtype=options.dtype,
        standardizer=standardizer(options, source) if encoder is None else None,
        encoder=encoder,
    )


def standardizer(options: Namespace, source: Source) -> gn.Standardizer | None:
    """The standardizer of arrays: of the whole set for images, else of each feature; by default none of sparse rows.

    Division by their deviations would make rare features of sparse rows large.
    """
    per = options.standardize
    if per == "robust":
        raise ValueError(f"--standardize robust is for tables; {source.name} takes feature, set or no")
    sparse = is_sparse(source.training.X)
    if per == "auto":
        per = "no" if sparse else "set" if source.image_shape else "feature"
    return None if per == "no" else gn.Standardizer(per, center=not sparse)


def table_encoder(options: Namespace, source: Source) -> gn.TableEncoder:
    """The encoder of a table's columns, fitted to the training part."""
    scalings = {"auto": None, "robust": "robust", "feature": "standard"}
    if options.standardize not in scalings:
        raise ValueError(
            f"--standardize {options.standardize} is for arrays; the numbers of a table take feature or robust"
        )
    scaling = scalings[options.standardize]
    encoder = gn.TableEncoder() if scaling is None else gn.TableEncoder(scaling)
    return encoder.fit(source.training.X)


def output_layer(options: Namespace, source: Source) -> gn.Dense:
    """The output layer for the targets, unless ``--output`` or ``--loss`` say something else."""
    kind, count = source.kind, source.outputs
    usual = output_for(kind, count)
    if kind != "classes":
        return gn.Dense(count, options.output or usual.activation)
    if count < 2:
        raise ValueError(f"{source.name} has only one class; classification needs at least two")
    meant = {"logistic": "sigmoid", "cross_entropy": "softmax"}.get(options.loss)
    activation = options.output or meant or ("softmax" if source.one_hot else usual.activation)
    one_unit = activation == "sigmoid" and count == 2 and not source.one_hot
    return gn.Dense(1 if one_unit else count, activation)


def found_rate(
    options: Namespace, network: gn.Network, source: Source, examples: Examples, batch_size: int
) -> float:
    """The learning rate that ``--learning-rate find`` finds for a network and its training examples.

    Raises
    ------
    ValueError
        If the loss falls at no rate.
    """
    any_rate = Namespace(**{**vars(options), "learning_rate": None})
    search = gn.find_learning_rate(
        network,
        *examples,
        optimizer=build_optimizer(any_rate, source, 1, 1),
        batch_size=batch_size,
        precision=options.precision,
    )
    if search.suggestion is None:
        raise ValueError("--learning-rate find: the loss falls at no rate; give a number")
    return float(f"{search.suggestion:.2g}")


def build_optimizer(options: Namespace, source: Source, epochs: int, steps: int) -> Optimizer:
    """The optimizer and its learning-rate schedule, for `epochs` of `steps` updates each."""
    name = options.optimizer
    settings: dict[str, Any] = {"clip_norm": options.clip_norm}
    if options.weight_decay is not None:
        settings["weight_decay"] = options.weight_decay
    elif name == "adamw" and source.is_table:
        settings["weight_decay"] = table_weight_decay(source.training.m, options.hidden)
    if name == "gradient_descent":
        settings["momentum"] = MOMENTUM if options.momentum is None else options.momentum
        settings["nesterov"] = options.nesterov
    elif options.momentum is not None or options.nesterov:
        raise ValueError(f"--momentum and --nesterov go with --optimizer gradient_descent, not with {name}")
    optimizer: Optimizer = OPTIMIZERS[name](_schedule(options, epochs * steps), **settings)
    return optimizer


def _schedule(options: Namespace, planned: int) -> float | Schedule:
    """The learning rate over `planned` updates."""
    highest = highest_rate(options)
    if options.schedule == "cosine":
        return gn.Cosine(highest)
    if options.schedule == "exponential":  # to 1/100 at the end
        return gn.Exponential(highest, factor=0.01, every=planned)
    if options.schedule == "inverse_time":  # to 1/10 at the end
        return gn.InverseTime(highest, half_life=max(planned // 9, 1))
    return highest


def highest_rate(options: Namespace) -> float:
    """The given learning rate, or the default for optimizer and activation."""
    if options.learning_rate is not None:
        return float(options.learning_rate)
    return default_rate(options.optimizer, [options.activation or ACTIVATION] * len(options.hidden))


def class_weights(options: Namespace, source: Source) -> str | list[float] | None:
    """What ``--class-weight`` says, for ``fit``: "balanced", or a weight for each class."""
    given = options.class_weight
    if given is None:
        return None
    if source.kind != "classes":
        raise ValueError(f"--class-weight needs classes; the targets of {source.name} are {source.kind}")
    if isinstance(given, str):
        return given
    names = source.class_names or tuple(map(str, range(source.outputs)))
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"--class-weight names class {unknown[0]!r}; classes are {', '.join(names)}")
    return [given.get(name, 1.0) for name in names]


def choose_batch_size(options: Namespace, trained: int) -> int:
    """Examples per update, of `trained` training examples."""
    size = {"full": trained, None: min(BATCH_SIZE, trained)}.get(options.batch_size, options.batch_size)
    if size > trained:
        raise ValueError(
            f"--batch-size is {size}, but there are only {trained} examples; use full for all of them"
        )
    return int(size)


def choose_epochs(options: Namespace, source: Source, steps: int) -> int:
    """The given number of epochs, or the default for `steps` updates per epoch."""
    if options.epochs is not None:
        return int(options.epochs)
    return epochs_for(TABLE_UPDATES if source.is_table else UPDATES, steps)


def early_stopping(options: Namespace) -> list[gn.EarlyStopping]:
    """The callback that ``--patience`` asks for, if it does."""
    return [] if options.patience is None else [gn.EarlyStopping(options.patience)]


def logs(options: Namespace) -> list[FileLog]:
    """The callback that ``--log`` asks for, if it does."""
    return [] if options.log is None else [file_log(options.log)]


def validation_fraction(options: Namespace) -> float:
    """The given fraction, or 0.1 where early stopping or metrics need a validation set, else 0."""
    if options.validation_fraction is not None:
        return float(options.validation_fraction)
    return 0.1 if options.patience is not None or options.metrics else 0.0
