"""The lecture as one HTML page without external resources."""

from __future__ import annotations

import base64
import html
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpunet.lecture.claims import claim_titles
from gpunet.lecture.docstring import inline, sections
from gpunet.lecture.equations import mathml
from gpunet.lecture.experiments import Experiment
from gpunet.lecture.result import Result, format_value
from gpunet.lecture.sheet import SHEET


@dataclass(frozen=True)
class Run:
    """An experiment and its result.

    Attributes
    ----------
    experiment : Experiment
    result : Result
    png : bytes
        The figure as a PNG file.
    """

    experiment: Experiment
    result: Result
    png: bytes


def page(runs: Sequence[Run], backend: str, seed: int, version: str) -> str:
    """The page: claims, equations, figure, values, mistake and command of each experiment."""
    body = "\n".join(_section(k, run, backend, seed) for k, run in enumerate(runs, start=1))
    contents = "\n".join(
        f'<li><a href="#{run.experiment.name}">{html.escape(run.experiment.title)}</a> '
        f"<span>{', '.join(run.experiment.claims)}</span></li>"
        for run in runs
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The lecture in runnable experiments</title>
<style>{SHEET}</style>
</head>
<body>
<header>
<h1>The lecture in runnable experiments</h1>
<p><b>The lecture</b> is the part on neural networks of Stanford's course CS229, <em>Machine Learning</em>, as
Andrew Ng taught it in autumn 2018 (lectures 11 and 12). gpunet implements the networks that it teaches.</p>
<p><b>The notes</b> are a student's notes of these lectures, from which gpunet started. They contain mistakes,
so they were checked against the course's own published notes. Where a mistake in the notes has
an effect, an experiment measures it.</p>
<p><b>The claims</b> are what the lecture teaches, numbered C1 to C22. The code, the tests and the experiments
below cite these numbers; <code>gpunet/lecture/CLAIMS.md</code> lists all of them with their equations, code
and tests.</p>
<p>Each experiment has the claim, its equations, measured values, a figure and an exercise. The sentences
below a figure follow from the values of this run: where a claim does not hold in a run, they say what came
out instead.</p>
<p class="small">Made by <code>gpunet lecture all</code> with gpunet {html.escape(version)}, backend
{html.escape(backend)}, seed {seed}, Python {platform.python_version()}, NumPy {np.__version__}. Speeds were
measured on this machine.</p>
<nav aria-label="Experiments"><h2>Experiments</h2><ol>
{contents}
</ol></nav>
<nav aria-label="Claims"><h2>Claims</h2><ul class="list">
{_claims(runs)}
</ul></nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def _section(number: int, run: Run, backend: str, seed: int) -> str:
    """One experiment."""
    experiment, result = run.experiment, run.result
    text = sections(experiment.text)
    claims = "\n".join(
        f"<p><b>{name}</b> {inline(claim[:1].upper() + claim[1:])}</p>" for name, claim in text.claims
    )
    equations = "\n".join(f"<div>{mathml(line)}</div>" for line in text.equations)
    rows = "\n".join(
        f'<tr{_row_class(name)}><th scope="row">{inline(name)}</th><td>{html.escape(format_value(value))}</td></tr>'
        for name, value in result.values.items()
    )
    mistake = f"<aside><h3>Mistake</h3><p>{inline(result.mistake)}</p></aside>" if result.mistake else ""
    png = base64.b64encode(run.png).decode("ascii")
    return f"""<section id="{experiment.name}">
<h2><span>{number}</span> {html.escape(experiment.title)}</h2>
<p class="summary">{inline(text.summary)}</p>
<div class="sides">
<div class="claims">
{claims}
<div class="equations" role="group" aria-label="Equations">
{equations}
</div>
{mistake}
</div>
<div class="result">
<figure>
<img alt="{html.escape(experiment.alt, quote=True)}" src="data:image/png;base64,{png}">
<figcaption>{inline(result.observation)}</figcaption>
</figure>
</div>
<div class="measured">
<table><caption>Measured values</caption>
{rows}
</table>
<p class="command"><code>{_command(f"{experiment.name} --backend {backend} --seed {seed}")}</code></p>
<div class="exercise"><h3>Exercise</h3><p>{inline(experiment.exercise.question)}</p>
<p class="command"><code>{_command(f"{experiment.name} --answer NUMBER")}</code></p></div>
</div>
</div>
<details><summary>Code</summary><pre><code>{html.escape(experiment.source)}</code></pre></details>
</section>"""


def _command(arguments: str) -> str:
    """A command; lines do not break in the name of an option."""
    return "gpunet lecture " + re.sub(r"(--\w+)", r"<span>\1</span>", html.escape(arguments))


def _row_class(name: str) -> str:
    return ' class="mistake"' if name.startswith("mistake") else ""


def _claims(runs: Sequence[Run]) -> str:
    """The claims as items of a list, each with links to its experiments."""
    items = []
    for number, title in claim_titles().items():
        names = [run.experiment.name for run in runs if number in run.experiment.claims]
        links = ", ".join(f'<a href="#{name}">{name}</a>' for name in names)
        items.append(f"<li><b>{number}</b> {inline(title)} <span>{links}</span></li>")
    return "\n".join(items)
