"""What can be typed: every option, and its default."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import gpunet as gn
from gpunet.cli.data import NAMED
from gpunet.cli.evaluate import evaluate
from gpunet.cli.info import info
from gpunet.cli.predict import predict
from gpunet.cli.train import RATES, SCHEDULES, train
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.checks import known_name
from gpunet.core.losses import LOSSES
from gpunet.core.optimizers import OPTIMIZERS
from gpunet.lecture.command import add_parser as _lecture


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is an exception: one line, said where all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise a ValueError."""
        near = self._near(message)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")

    def _near(self, message: str) -> str:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)|invalid choice: '(\w+)'", message)
        if unknown is None:
            return ""
        known = [name for one in _all_actions(self) for name in [*one.option_strings, *(one.choices or ())]]
        return next(iter(difflib.get_close_matches(unknown[1] or unknown[2], known, 1)), "")


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that there are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def _all_actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """The options of a parser and of its commands: what a command does not know, its parser reports."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _all_actions(command)


def _one_of(what: str, known: Iterable[str]) -> Callable[[str], str]:
    names = tuple(known)

    def parse(text: str) -> str:
        try:
            return known_name(what, text.replace("-", "_"), names)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _sizes(text: str) -> tuple[int, ...]:
    """``256,128`` as ``(256, 128)``; ``none`` as ``()``."""
    parts = [] if text.strip().lower() == "none" else text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected layer sizes such as 256,128, or none; got {text!r}")
    return tuple(int(part) for part in parts)


def _batch_size(text: str) -> int | str:
    if text.strip().lower() == "full":
        return "full"
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, or full; got {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(prog="gpunet", description="Dense neural networks on whichever array library is at hand.")
    top.add_argument("--version", action="version", version=f"gpunet {gn.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _train(commands)
    _evaluate(commands)
    _predict(commands)
    _lecture(commands)
    about = commands.add_parser("info", help="say what is usable here, and what to install for the rest")
    about.set_defaults(run=info)
    return top


def _train(commands: argparse._SubParsersAction[Parser]) -> None:
    one = commands.add_parser(
        "train",
        help="train a network and test it",
        description="Train a network, test it on examples it has not seen, and print how well it does.",
        formatter_class=Formatter,
    )
    one.set_defaults(run=train)

    def group(title: str) -> Callable[..., argparse.Action]:
        return one.add_argument_group(title).add_argument

    say = group("what to learn from")
    where = f"{', '.join(NAMED)}, or a file: .csv, .npz or .npy"
    say("what", nargs="?", default="digits", metavar="DATA", help=where)
    _about_data(say)
    say("--test-fraction", type=float, default=0.2, metavar="SHARE", help="of a file, kept for the test")
    say(
        "--standardize",
        type=_one_of("way to standardise", ("auto", "feature", "set", "no")),
        default="auto",
        metavar="HOW",
        help="feature: each by itself; set: all together; auto: set for images, else feature; or no",
    )

    say = group("the network")
    say("--hidden", type=_sizes, default="256", metavar="SIZES", help="such as 256,128; none for no layer")
    activation = _one_of("activation", ACTIVATIONS)
    say("--activation", type=activation, default="relu", metavar="NAME", help="of the hidden layers")
    say(
        "--output",
        type=activation,
        metavar="NAME",
        help="activation of the last layer; left out, it suits the targets",
    )
    say("--loss", type=_one_of("loss", LOSSES), metavar="NAME", help="left out, it suits the last layer")
    say("--dropout", type=float, default=0.0, metavar="RATE", help="of each hidden layer's features")
    say(
        "--dtype",
        type=_one_of("dtype", ("float32", "float64")),
        default="float32",
        metavar="TYPE",
        help="of weights and data",
    )

    say = group("the descent")
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in RATES.items())
    say(
        "--optimizer",
        type=_one_of("optimizer", OPTIMIZERS),
        default="adamw",
        metavar="NAME",
        help="how the weights follow the gradient",
    )
    say("--learning-rate", type=float, metavar="RATE", help=f"at its highest; {rates}; more for sigmoid")
    say(
        "--schedule",
        type=_one_of("schedule", SCHEDULES),
        default="cosine",
        metavar="NAME",
        help="how the rate falls",
    )
    say(
        "--batch-size",
        type=_batch_size,
        metavar="SIZE",
        help="examples an update, or full; 64 if there are as many",
    )
    say("--epochs", type=int, metavar="N", help="times through the examples; 20, more for small data")
    say("--momentum", type=float, metavar="BETA", help="of gradient_descent; 0.9")
    say("--nesterov", action="store_true", help="Nesterov's form of momentum")
    say(
        "--weight-decay",
        type=float,
        metavar="RATE",
        help="shrinks weights at each update; 0.01 for adamw, else 0",
    )
    say("--clip-norm", type=float, metavar="LENGTH", help="longest gradient followed at full length")
    say(
        "--patience", type=int, metavar="N", help="stop after so many epochs without a better validation loss"
    )
    say(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="of the training examples, kept to watch; 0.1 with --patience, else 0",
    )

    say = group("where and how")
    _backend(say)
    say("--seed", type=int, default=0, metavar="N", help="of start, order and dropout")
    say("--save", type=Path, metavar="NET", help="write the network to this file, such as net.safetensors")
    say("--plot", type=Path, metavar="PNG", help="draw how it learned (needs matplotlib)")


def _evaluate(commands: argparse._SubParsersAction[Parser]) -> None:
    one = commands.add_parser(
        "evaluate",
        help="loss and accuracy of a saved network",
        description="Loss and accuracy of a saved network: on the test examples of known data and of the file "
        "that it was trained on, on all rows of any other file.",
    )
    one.set_defaults(run=evaluate)
    one.add_argument("net", type=Path, metavar="NET", help="what train --save wrote")
    one.add_argument("what", metavar="DATA", help="as for train")
    _about_data(one.add_argument)
    one.add_argument("--all", action="store_true", help="on training and test examples together")
    _backend(one.add_argument)


def _predict(commands: argparse._SubParsersAction[Parser]) -> None:
    one = commands.add_parser(
        "predict",
        help="classes or values for new examples",
        description="Classes or values for the rows of a file, as CSV.",
    )
    one.set_defaults(run=predict)
    one.add_argument("net", type=Path, metavar="NET", help="what train --save wrote")
    one.add_argument("file", metavar="FILE", help="rows without targets: .csv, .npz or .npy")
    one.add_argument(
        "--columns", metavar="NAMES", help="of a .csv: the features, such as height,width or 0,1,2"
    )
    one.add_argument("--out", type=Path, metavar="CSV", help="write there instead of standard output")
    _backend(one.add_argument)


def _about_data(say: Callable[..., argparse.Action]) -> None:
    say(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="where the files of mnist or fashion lie; else downloaded once",
    )
    say(
        "--target", metavar="COLUMN", help="of a .csv, by name or number (the last); of a .npy, the file of y"
    )
    say("--kind", metavar="KIND", help="needles: one, several, one_of_three; a file: classes, values")


def _backend(say: Callable[..., argparse.Action]) -> None:
    say(
        "--backend",
        default="auto",
        metavar="NAME",
        help="numpy, cupy, torch, jax; a device may follow: cupy:1",
    )
