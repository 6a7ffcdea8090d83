"""The lecture as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import html
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpunet.lecture.equation import equation, inline, parts
from gpunet.lecture.experiments import Experiment
from gpunet.lecture.result import Result, number
from gpunet.lecture.sheet import SHEET


@dataclass(frozen=True)
class Done:
    """An experiment that has run.

    Attributes
    ----------
    experiment : Experiment
    result : Result
    picture : bytes
        As a PNG file.
    """

    experiment: Experiment
    result: Result
    picture: bytes


def page(done: Sequence[Done], backend: str, seed: int, version: str) -> str:
    """Return the page: claim, equation, picture, figures, slip and command of each experiment."""
    sections = "\n".join(_section(k, one, backend, seed) for k, one in enumerate(done, start=1))
    contents = "\n".join(
        f'<li><a href="#{one.experiment.name}">{html.escape(one.experiment.title)}</a> '
        f"<span>{', '.join(one.experiment.claims)}</span></li>"
        for one in done
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The lecture, runnable</title>
<style>{SHEET}</style>
</head>
<body>
<header>
<h1>The lecture, runnable</h1>
<p>Neural networks, claim by claim: what is said, the equation, and what happens when it is run. Where a
student's notes of the lecture hold a slip, the page shows what it would cost.</p>
<p class="small">Made by <code>gpunet lecture all</code> with gpunet {html.escape(version)}, backend
{html.escape(backend)}, seed {seed}, Python {platform.python_version()}, NumPy {np.__version__}. Speeds are this
machine's.</p>
<nav aria-label="Experiments"><ol>
{contents}
</ol></nav>
</header>
<main>
{sections}
</main>
</body>
</html>
"""


def _section(place: int, done: Done, backend: str, seed: int) -> str:
    """One experiment."""
    experiment, result = done.experiment, done.result
    words = parts(experiment.text)
    claims = "\n".join(
        f"<p><b>{name}</b> {inline(text[:1].upper() + text[1:])}</p>" for name, text in words.claims
    )
    equations = "\n".join(f"<div>{equation(line)}</div>" for line in words.equations)
    rows = "\n".join(
        f'<tr{_slip(name)}><th scope="row">{inline(name)}</th><td>{html.escape(number(value))}</td></tr>'
        for name, value in result.figures.items()
    )
    slip = f"<aside><h3>The slip</h3><p>{inline(result.slip)}</p></aside>" if result.slip else ""
    picture = base64.b64encode(done.picture).decode("ascii")
    command = f"gpunet lecture {experiment.name} --backend {backend} --seed {seed}"
    return f"""<section id="{experiment.name}">
<h2><span>{place}</span> {html.escape(experiment.title)}</h2>
<p class="lead">{inline(words.lead)}</p>
<div class="sides">
<div class="said">
{claims}
<div class="equations" role="group" aria-label="Equations">
{equations}
</div>
{slip}
</div>
<div class="seen">
<figure>
<img alt="{html.escape(result.alt, quote=True)}" src="data:image/png;base64,{picture}">
<figcaption>{inline(result.seen)}</figcaption>
</figure>
<table><caption>Figures</caption>
{rows}
</table>
<p class="command"><code>{html.escape(command)}</code></p>
</div>
</div>
<details><summary>The code</summary><pre><code>{html.escape(experiment.source)}</code></pre></details>
</section>"""


def _slip(name: str) -> str:
    return ' class="slip"' if name.startswith("slip") else ""
