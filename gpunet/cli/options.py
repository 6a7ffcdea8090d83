"""The commands, their options and the defaults."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpunet as gn
from gpunet.cli.data import ARRAY_SUFFIXES, NAMED, TEST_FRACTION
from gpunet.cli.evaluate import evaluate
from gpunet.cli.export import ENDINGS, export
from gpunet.cli.info import info
from gpunet.cli.option_types import (
    batch_size,
    class_weights,
    fraction,
    name_list,
    names,
    not_negative,
    one_of,
    positive,
    proper_fraction,
    rate,
    seed,
    sizes,
    whole,
)
from gpunet.cli.parser import Formatter, Parser
from gpunet.cli.predict import predict
from gpunet.cli.settings import ACTIVATION, SCHEDULES
from gpunet.cli.shuffle import shuffle
from gpunet.cli.train import train
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.default_optimizer import RATES
from gpunet.core.losses import LOSSES
from gpunet.core.optimizers import OPTIMIZERS
from gpunet.core.other_names import ACTIVATIONS_ELSEWHERE, LOSSES_ELSEWHERE, OPTIMIZERS_ELSEWHERE
from gpunet.core.plan import PRECISIONS
from gpunet.core.table_training import LEAST_DECAY, MOST_DECAY, ROWS
from gpunet.datasets.table_files import TABLE_SUFFIXES
from gpunet.lecture.command import add_parser as add_lecture
from gpunet.teams.team import LANES

AddArgument = Callable[..., argparse.Action]


def build_parser() -> Parser:
    """The parser of the whole command line."""
    top = Parser(
        prog="gpunet", description="Train and use dense neural networks on NumPy, CuPy, PyTorch or JAX."
    )
    top.add_argument("--version", action="version", version=f"gpunet {gn.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_export(commands)
    _add_shuffle(commands)
    add_lecture(commands)
    command = commands.add_parser("info", help="list backends, devices and what is missing for the others")
    command.set_defaults(run=info)
    top.commands = commands.choices
    return top


def _add_train(commands: Any) -> None:
    command = commands.add_parser(
        "train",
        help="train a network and test it",
        description="Train a network, evaluate it on the test examples, and print loss and accuracy.",
        formatter_class=Formatter,
    )
    command.set_defaults(run=train)
    _add_train_data(command.add_argument_group("data").add_argument)
    _add_network(command.add_argument_group("network").add_argument)
    _add_optimizer(command.add_argument_group("optimizer").add_argument)
    _add_training(command.add_argument_group("training").add_argument)
    add = command.add_argument_group("device and output").add_argument
    _add_backend(add)
    add("--seed", type=seed, default=0, metavar="N", help="of initial weights, order of examples and dropout")
    add("--verbose", action="store_true", help="say which program ran, on which device, and why")
    add(
        "--save",
        type=Path,
        metavar="NET",
        help="save the network to this file, such as net.safetensors; also if Ctrl-C or SIGTERM ends the training",
    )
    add(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="keep here, once a minute, what the run needs to go on: after a stop the same command goes on",
    )
    add(
        "--lanes",
        type=whole,
        metavar="N",
        help=f"add up the gradient of each batch in N lanes; default under mpiexec: {LANES}. mpiexec -n 4 gpunet train "
        "shares them out to 4 processes",
    )
    add("--restart", action="store_true", help="begin afresh, whatever run --checkpoint holds")
    add("--log", type=Path, metavar="FILE", help="write the figures of each epoch to this file: .csv, .jsonl")
    _add_plot(add, "loss and accuracy, and the confusion matrix to a second file, such as FILE-confusion.png")


def _add_plot(add: AddArgument, what: str) -> None:
    add("--plot", type=Path, metavar="FILE", help=f"plot {what}: .png, .svg, .pdf; needs matplotlib")


def _add_metrics(add: AddArgument, where: str) -> None:
    add(
        "--metrics",
        type=names,
        default=(),
        metavar="NAMES",
        help=f"measured {where}: scikit-learn's names with commas between, such as f1_macro,roc_auc or r2",
    )


def _add_train_data(add: AddArgument) -> None:
    files = ", ".join((*TABLE_SUFFIXES, *ARRAY_SUFFIXES))
    known = f"{', '.join(NAMED)}, or a file: {files}; - is a table on standard input"
    add("what", nargs="?", default="digits", metavar="DATA", help=known)
    _add_data(add)
    add(
        "--drop",
        type=name_list,
        metavar="NAMES",
        help="columns of a table that are no features, such as id,note",
    )
    add("--columns", metavar="NAMES", help="feature columns of a table; default: all but the target")
    add(
        "--test-fraction",
        type=proper_fraction,
        metavar="FRACTION",
        help=f"fraction of a file's examples for the test set; default: {TEST_FRACTION}",
    )
    add(
        "--standardize",
        type=one_of("standardisation", ("auto", "feature", "robust", "set", "no")),
        default="auto",
        metavar="HOW",
        help="to mean 0 and deviation 1: each feature, or the whole set at once; auto: set for images, no for "
        "sparse rows, else feature; or no. Tables: feature, or robust (median and quartiles)",
    )


def _add_network(add: AddArgument) -> None:
    activation = one_of("activation", ACTIVATIONS, ACTIVATIONS_ELSEWHERE)
    add(
        "--hidden",
        type=sizes,
        default="256",
        metavar="SIZES",
        help="hidden layers, such as 256,128; or none",
    )
    add(
        "--activation",
        type=activation,
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ACTIVATIONS)}; default: {ACTIVATION}",
    )
    add(
        "--output",
        type=activation,
        metavar="NAME",
        help="activation of the last layer; default: chosen for the targets",
    )
    add(
        "--loss",
        type=one_of("loss", LOSSES, LOSSES_ELSEWHERE),
        metavar="NAME",
        help=f"{', '.join(LOSSES)}; default: chosen for the output",
    )
    add("--dropout", type=fraction, default=0.0, metavar="RATE", help="dropout rate after each hidden layer")
    add(
        "--dtype",
        type=one_of("dtype", ("float32", "float64")),
        default="float32",
        metavar="TYPE",
        help="float32 or float64, of weights and data",
    )


def _add_optimizer(add: AddArgument) -> None:
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in RATES.items())
    add(
        "--optimizer",
        type=one_of("optimizer", OPTIMIZERS, OPTIMIZERS_ELSEWHERE),
        default="adamw",
        metavar="NAME",
        help=", ".join(RATES),
    )
    add(
        "--learning-rate",
        type=rate,
        metavar="RATE",
        help=f"the highest of the schedule; default: {rates}; 2.5 times that with sigmoid, except for "
        "gradient_descent; find: tried out first",
    )
    add(
        "--schedule",
        type=one_of("schedule", SCHEDULES),
        default="cosine",
        metavar="NAME",
        help=f"of the learning rate: {', '.join(SCHEDULES)}",
    )
    add("--momentum", type=fraction, metavar="BETA", help="of gradient_descent; default: 0.9")
    add("--nesterov", action="store_true", help="Nesterov momentum, with gradient_descent")
    add(
        "--weight-decay",
        type=not_negative,
        metavar="RATE",
        help=f"λ, for weights only; default: 0.01 for adamw, else 0; for adamw on a table {ROWS:,} / rows, from "
        f"{LEAST_DECAY:g} to {MOST_DECAY:g}, less for fewer hidden units",
    )
    add("--clip-norm", type=positive, metavar="NORM", help="scale longer gradients down to this norm")


def _add_training(add: AddArgument) -> None:
    add(
        "--epochs",
        type=whole,
        metavar="N",
        help="passes over the training set; default: 20, more for small sets",
    )
    add("--batch-size", type=batch_size, metavar="SIZE", help="examples per update, or full; default: 64")
    add(
        "--precision",
        type=one_of("precision", PRECISIONS),
        default="float32",
        metavar="NAME",
        help=f"of matrix products in training: {', '.join(PRECISIONS)}; the last two need a GPU or TPU",
    )
    add(
        "--class-weight",
        type=class_weights,
        metavar="WEIGHTS",
        help="of examples in the loss: balanced, so that each class counts alike, or such as cat=1,dog=4.5",
    )
    add(
        "--label-smoothing",
        type=fraction,
        default=0.0,
        metavar="EPSILON",
        help="ε: 1 − ε for the true class, and ε in equal parts for all classes",
    )
    add(
        "--validation-fraction",
        type=fraction,
        metavar="FRACTION",
        help="fraction of the training examples for validation; default: 0.1 with --patience or --metrics, else 0",
    )
    add("--patience", type=whole, metavar="N", help="stop after N epochs without a lower validation loss")
    _add_metrics(add, "after each epoch, on the validation examples")


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate",
        help="print loss and accuracy of a saved network",
        description="Print loss and accuracy of a saved network, and precision and recall of each class: on the test "
        "examples of a named data set or of the file that it was trained on, on all examples of any other file.",
    )
    command.set_defaults(run=evaluate)
    command.add_argument("net", type=Path, metavar="NET", help="network saved by train --save")
    command.add_argument("what", metavar="DATA", help="as for train")
    _add_data(command.add_argument)
    command.add_argument("--all", action="store_true", help="evaluate on training and test examples")
    _add_metrics(command.add_argument, "beside loss and accuracy")
    _add_plot(command.add_argument, "the confusion matrix")
    _add_backend(command.add_argument)


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="predict classes or values for new examples",
        description="Predict classes or values for the rows of a file, and write them as CSV.",
    )
    command.set_defaults(run=predict)
    command.add_argument("net", type=Path, metavar="NET", help="network saved by train --save")
    command.add_argument("file", metavar="FILE", help="rows without targets: a file as for train")
    command.add_argument(
        "--columns", metavar="NAMES", help="columns of a table to read, such as height,width or 0,1,2"
    )
    _add_table(command.add_argument)
    command.add_argument(
        "--probabilities", action="store_true", help="write the probability of every class, in a column each"
    )
    command.add_argument(
        "--out", type=Path, metavar="CSV", help="write to this file instead of standard output"
    )
    _add_backend(command.add_argument)


def _add_export(commands: Any) -> None:
    command = commands.add_parser(
        "export",
        help="write a saved network as an ONNX file",
        description="Write a saved network as a file that other tools run without gpunet: ONNX, for onnxruntime and "
        "others. Standardizer or encoder of tables, and class names, are in it. Needs the package onnx.",
    )
    command.set_defaults(run=export)
    command.add_argument("net", type=Path, metavar="NET", help="network saved by train --save")
    command.add_argument("out", type=Path, metavar="OUT", help=f"file to write: {', '.join(ENDINGS)}")


def _add_shuffle(commands: Any) -> None:
    command = commands.add_parser(
        "shuffle",
        help="shuffle the rows of a file, once, however large it is",
        description="Write the rows of a file in random order. The file may be larger than memory. That no row is lost "
        "or changed is checked, by count and by a hash that does not depend on the order. Files with as many rows are "
        "shuffled in the same way with the same seed, such as X.npy and y.npy.",
        formatter_class=Formatter,
    )
    command.set_defaults(run=shuffle)
    command.add_argument("file", type=Path, metavar="IN", help="file to read: .npy, .parquet")
    command.add_argument("out", type=Path, metavar="OUT", help="file to write, of the same kind")
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of the order")


def _add_data(add: AddArgument) -> None:
    where = "GPUNET_DATA, else download once"
    add("--data", type=Path, metavar="FOLDER", help=f"folder of mnist or fashion; default: {where}")
    add(
        "--target",
        metavar="COLUMN",
        help="table: name or number of the target column, default: the last; .npz: array of y; .npy, and .npz of "
        "sparse rows: file of y",
    )
    add("--kind", metavar="KIND", help="of needles: one, several, one_of_three; of a file: classes, values")
    _add_table(add)


def _add_table(add: AddArgument) -> None:
    add("--missing", metavar="WORDS", help='words that mean "missing" in a table, such as "?,NA,-"')
    add(
        "--separator",
        metavar="CHARACTER",
        help="between the cells of a table, such as ; or tab; default: found out",
    )


def _add_backend(add: AddArgument) -> None:
    add("--backend", default="auto", metavar="NAME", help="numpy, cupy, torch, jax; with a device: cupy:1")
