"""``gpunet lecture``: list the experiments, run one, or run all and write the page."""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.equation import parts
from gpunet.lecture.experiments import EXPERIMENTS, Experiment, find
from gpunet.lecture.page import Done, page

PAGE = "lecture.html"


def add_parser(commands: Any) -> None:
    """Add ``lecture`` to the command line's commands."""
    one = commands.add_parser(
        "lecture",
        help="see the lecture's claims happen, each with a picture",
        description="Run the lecture's experiments. Without a name: list them.",
    )
    add_arguments(one)
    one.set_defaults(run=main)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be typed after ``gpunet lecture``."""
    parser.add_argument(
        "what", nargs="?", metavar="WHAT", help="a claim such as C14, a name such as depth, or all"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("lecture"), metavar="FOLDER", help="for the pictures (lecture)"
    )
    parser.add_argument(
        "--backend", default="auto", metavar="NAME", help="numpy, cupy, torch, jax; a device may follow"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of data, start and order (0)")


def main(options: argparse.Namespace) -> int:
    """Do what was asked for.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    ValueError
        For an unknown claim or name.
    ImportError
        If matplotlib is not installed.
    """
    if options.what is None:
        _list()
        return 0
    wanted = find(options.what)
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {options.seed}")
    figures.matplotlib()  # said before the first experiment runs, not after
    backend = _backend(options.backend)
    options.out.mkdir(parents=True, exist_ok=True)
    whole = options.what.lower() == "all"
    done = []
    for one in wanted:
        started = time.perf_counter()
        with _one_thread():
            result = one.run(backend=backend, seed=options.seed)
        with figures.style():
            done.append(Done(one, result, figures.png(result.picture)))
        file = options.out / f"{EXPERIMENTS.index(one) + 1:02}-{one.name}.png"
        file.write_bytes(done[-1].picture)
        seconds = time.perf_counter() - started
        if whole:
            print(f"{one.name:<12}{', '.join(one.claims):<14}{seconds:6.1f} s  {file}", flush=True)
        else:
            _tell(done[-1], file)
    if whole:
        target = options.out / PAGE
        target.write_text(page(done, backend, options.seed, gn.__version__), encoding="utf-8")
        print(f"\nthe page: {target}")
    return 0


def _backend(name: str) -> str:
    """Return the name of a usable backend; 64-bit numbers are needed to check gradients."""
    if name.partition(":")[0] == "jax" or os.environ.get("GPUNET_BACKEND", "").startswith("jax"):
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    found = gn.get_backend(name)
    return found.name if name == "auto" else name


def _one_thread() -> AbstractContextManager[Any]:
    """One BLAS thread, where threadpoolctl is there to say so: for matrices this small, more only wait."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def _list() -> None:
    print(f"{'name':<12}{'claims':<14}title")
    for one in EXPERIMENTS:
        print(f"{one.name:<12}{', '.join(one.claims):<14}{one.title}")
    print("\ngpunet lecture C14 runs what shows a claim, gpunet lecture depth one experiment;")
    print("gpunet lecture all --out FOLDER runs everything and writes the page.")


def _tell(done: Done, file: Path) -> None:
    """Print one experiment: claim, equations, figures, what to see, and where the picture is."""
    experiment: Experiment = done.experiment
    words = parts(experiment.text)
    print(f"{experiment.title} ({', '.join(experiment.claims)})\n\n{words.lead}\n")
    print("\n".join(f"    {line}" for line in words.equations), end="\n\n")
    print("\n".join(done.result.lines()), end="\n\n")
    print(done.result.seen)
    if done.result.slip:
        print(f"\nThe slip: {done.result.slip}")
    print(f"\npicture: {file}\n")
