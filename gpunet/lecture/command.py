"""``gpunet lecture``: list the experiments, run some, or run all and write the page."""

from __future__ import annotations

import argparse
import math
import os
import textwrap
import time
from pathlib import Path
from typing import Any

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.docstring import sections
from gpunet.lecture.equations import mathml
from gpunet.lecture.experiments import EXPERIMENTS, Experiment, find
from gpunet.lecture.page import Run, page
from gpunet.lecture.result import WIDTH

PAGE = "lecture.html"
FOLDER = Path("lecture")
OF_A_RUN = ("out", "backend", "seed")  # the options that say how experiments run
INTRODUCTION = """\
The lecture: neural networks in CS229 (Stanford, autumn 2018, lectures 11 and
12). What it teaches is numbered C1 to C22; these are the claims. Each
experiment demonstrates one or more of them with numbers and a figure.
"""
USAGE = f"""
gpunet lecture C14      run the experiments of one claim
gpunet lecture depth    run one experiment
gpunet lecture all      run all, and write them as one page, {PAGE}
gpunet lecture depth --answer 10    check an answer to its exercise

All claims with their equations: {Path(__file__).with_name("CLAIMS.md")}"""


def add_parser(commands: Any) -> None:
    """Add ``lecture`` to the commands of a parser."""
    parser = commands.add_parser(
        "lecture",
        help="run the lecture's experiments, each with a figure",
        description="Run experiments that demonstrate the claims of the lecture. Without a name: list them.",
    )
    parser.add_argument(
        "what", nargs="?", metavar="WHAT", help="a claim such as C14, an experiment such as depth, or all"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"folder of the figures (default: {FOLDER})",
    )
    parser.add_argument(
        "--backend", metavar="NAME", help="numpy, cupy, torch, jax; with a device: cupy:1 (default: auto)"
    )
    parser.add_argument(
        "--seed", type=seed, metavar="N", help="of data, initial weights and order (default: 0)"
    )
    parser.add_argument(
        "--answer",
        type=number,
        metavar="NUMBER",
        help="check an answer to the experiment's exercise, and run nothing",
    )
    parser.set_defaults(run=main)


def seed(text: str) -> int:
    """A whole number of at least 0."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0; got {text!r}")
    return int(text)


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number such as 0.25; got {text!r}")
    return value


def main(options: argparse.Namespace) -> None:
    """List the experiments, or run those that `options` name.

    Raises
    ------
    ValueError
        For an unknown claim or experiment, or for an option where nothing is run.
    ImportError
        If matplotlib is not installed, or, for the page, latex2mathml.
    """
    given = [name for name in OF_A_RUN if getattr(options, name) is not None]
    if options.answer is not None:
        if given:
            raise ValueError(f"--answer runs nothing, so --{given[0]} has no meaning: leave one of both out")
        check_answer(find(options.what or "all"), options.answer)
        return
    if options.what is None:
        if given:
            raise ValueError(
                f"--{given[0]} is for experiments that run: name some, as in gpunet lecture depth; or all"
            )
        print_list()
        return
    experiments = find(options.what)
    out, chosen_seed = options.out or FOLDER, options.seed or 0
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out: {out} is a file; give the name of a folder")
    figures.matplotlib()  # raises before the first experiment rather than after it
    run_all = options.what.lower() == "all"
    if run_all:
        mathml("x")  # so does this
    backend = choose_backend(options.backend or "auto")
    out.mkdir(parents=True, exist_ok=True)
    runs = []
    for experiment in experiments:
        started = time.perf_counter()
        result = experiment.run(backend=backend, seed=chosen_seed)
        with figures.style():
            run = Run(experiment, result, figures.png(experiment.draw(result)))
        runs.append(run)
        file = out / f"{EXPERIMENTS.index(experiment) + 1:02}-{experiment.name}.png"
        file.write_bytes(run.png)
        if run_all:
            seconds = time.perf_counter() - started
            print(
                f"{experiment.name:<12}{', '.join(experiment.claims):<14}{seconds:6.1f} s  {file}", flush=True
            )
        else:
            print_run(run, file)
    if run_all:
        target = out / PAGE
        target.write_text(page(runs, backend, chosen_seed, gn.__version__), encoding="utf-8")
        print(f"\npage: {target}")


def choose_backend(name: str) -> str:
    """The name of a usable backend. JAX gets its 64-bit mode, which checking gradients needs."""
    if name.partition(":")[0] == "jax" or os.environ.get("GPUNET_BACKEND", "").startswith("jax"):
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    found = gn.get_backend(name)
    return found.name if name == "auto" else name


def print_list() -> None:
    """Print what the lecture is, its experiments, and how to run them."""
    print(INTRODUCTION)
    print(f"{'experiment':<12}{'claims':<14}title")
    for experiment in EXPERIMENTS:
        print(f"{experiment.name:<12}{', '.join(experiment.claims):<14}{experiment.title}")
    print(USAGE)


def print_run(run: Run, file: Path) -> None:
    """Print one experiment: claims, equations, measured values, observation, and the file of the figure."""
    result, text = run.result, sections(run.experiment.text)
    print(f"{run.experiment.title} ({', '.join(run.experiment.claims)})\n")
    print(textwrap.fill(text.summary, WIDTH), end="\n\n")
    for claim, sentence in text.claims:
        print(textwrap.fill(f"{claim}: {sentence}", WIDTH, subsequent_indent=" " * (len(claim) + 2)))
    print("\n" + "\n".join(f"    {line}" for line in text.equations), end="\n\n")
    print(result)
    print("\n" + textwrap.fill(f"Exercise: {run.experiment.exercise.question}", WIDTH))
    print(f"Check your answer: gpunet lecture {run.experiment.name} --answer NUMBER")
    print(f"\nfigure: {file}\n")


def check_answer(experiments: list[Experiment], answer: float) -> None:
    """Print whether an answer to an exercise is right.

    Raises
    ------
    ValueError
        If it is not, or if `experiments` are several.
    """
    if len(experiments) > 1:
        names = ", ".join(experiment.name for experiment in experiments)
        raise ValueError(f"--answer needs one experiment, got {len(experiments)}: {names}")
    exercise = experiments[0].exercise
    if not exercise.check(answer):
        digits = "" if isinstance(exercise.answer(), int) else " Three digits are enough."
        raise ValueError(f"{answer:g} is not right. {exercise.question}{digits}")
    print(textwrap.fill(f"Right: {exercise.reason}.", WIDTH))
