"""The lecture as one HTML page without external resources."""

from __future__ import annotations

import base64
import html
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpunet.lecture.docstring import equation, inline, sections
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
<p>gpunet implements the neural networks of the course CS229 (Stanford, autumn 2018, lectures 11 and 12). What the
lecture teaches is numbered C1 to C22: the <em>claims</em>. Each experiment below demonstrates one or more of them: the
claim, its equation, a figure and the measured values.</p>
<p>The starting point was a student's notes of the lecture. Where they contain a mistake, the claim here is the
corrected one, and the experiment measures the effect of the mistake.</p>
<p class="small">Made by <code>gpunet lecture all</code> with gpunet {html.escape(version)}, backend
{html.escape(backend)}, seed {seed}, Python {platform.python_version()}, NumPy {np.__version__}. Speeds were
measured on this machine. All claims with their code and tests are listed in <code>gpunet/lecture/CLAIMS.md</code>.</p>
<nav aria-label="Experiments"><ol>
{contents}
</ol></nav>
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
    equations = "\n".join(f"<div>{equation(line)}</div>" for line in text.equations)
    rows = "\n".join(
        f'<tr{_row_class(name)}><th scope="row">{inline(name)}</th><td>{html.escape(format_value(value))}</td></tr>'
        for name, value in result.values.items()
    )
    mistake = f"<aside><h3>Mistake</h3><p>{inline(result.mistake)}</p></aside>" if result.mistake else ""
    png = base64.b64encode(run.png).decode("ascii")
    command = f"gpunet lecture {experiment.name} --backend {backend} --seed {seed}"
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
<img alt="{html.escape(result.alt, quote=True)}" src="data:image/png;base64,{png}">
<figcaption>{inline(result.observation)}</figcaption>
</figure>
<table><caption>Measured values</caption>
{rows}
</table>
<p class="command"><code>{html.escape(command)}</code></p>
</div>
</div>
<details><summary>Code</summary><pre><code>{html.escape(experiment.source)}</code></pre></details>
</section>"""


def _row_class(name: str) -> str:
    return ' class="mistake"' if name.startswith("mistake") else ""
