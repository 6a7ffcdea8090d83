"""The lecture's experiments as scripts for sphinx-gallery, which runs them and makes a page and a notebook of each."""

import re
from pathlib import Path

from gpunet.lecture import EXPERIMENTS, figures, find
from gpunet.lecture.docstring import sections
from gpunet.lecture.equations import latex
from gpunet.lecture.result import format_value

SCRIPTS = Path(__file__).parents[1] / "generated" / "experiments"
HEADER = """\
The lecture's experiments
=========================

C1 to C22 are the claims of the lecture. Each experiment is a short script that uses public names alone; its page shows
what it measured when this site was built, has an exercise, and ends with the script as a file and as a notebook.
``gpunet lecture`` runs the experiments on the command line.
"""


def script(experiment):
    """The source of an experiment with a docstring in the form that sphinx-gallery reads, and a call of it."""
    text = sections(experiment.text)
    title = f"{experiment.title} ({', '.join(experiment.claims)})"
    claims = "\n".join(
        f"- **{claim}** {escaped(sentence[:1].upper() + sentence[1:])}" for claim, sentence in text.claims
    )
    equations = "\n\n".join(f".. math:: {latex(line)}" for line in lines_of(text.equations))
    source = experiment.source.partition('\nif __name__ == "__main__":')[0].rstrip()
    return (
        f'r"""\n{title}\n{"=" * len(title)}\n\n{escaped(text.summary)}\n\n{claims}\n\n{equations}\n"""\n\n'
        f"{source}\n\n# %%\n\n"
        "from gpunet.lecture import find\n\n"
        f'result = run(backend="numpy", seed=0)\nfigure = find("{experiment.name}")[0].draw(result)\nfigure\n'
    )


def lines_of(equations):
    """Equations, one a line: the docstrings have some beside each other."""
    return [part for line in equations for part in re.split(r"(?<=[,;:])\s{2,}", line)]


def equations_by_latex():
    """The experiments' equations as they stand in the docstrings, by their LaTeX."""
    lines = (line for one in EXPERIMENTS for line in lines_of(sections(one.text).equations))
    return {latex(line): line for line in lines}


def escaped(text):
    """Plain text for reStructuredText."""
    return "".join(f"\\{letter}" if letter in "*`|_\\" else letter for letter in text)


def scrape(block, block_vars, gallery_conf):
    """The figure that a script has drawn, what it shows, and the measured values, as reStructuredText."""
    result = block_vars["example_globals"].get("result")
    if result is None:
        return ""
    experiment = find(Path(block_vars["src_file"]).stem.partition("_")[2])[0]
    path = Path(next(block_vars["image_path_iterator"]))
    with figures.style():
        path.write_bytes(figures.png(block_vars["example_globals"]["figure"]))
    rows = [
        f"   * - {escaped(name)}\n     - {escaped(format_value(value))}"
        for name, value in result.values.items()
    ]
    lines = [
        f".. image:: /{path.relative_to(gallery_conf['src_dir']).as_posix()}",
        f"   :alt: {experiment.alt}",
        "   :class: sphx-glr-single-img",
        "",
        escaped(result.observation),
        "",
        *([f"**Mistake.** {escaped(result.mistake)}", ""] if result.mistake else []),
        f"**Exercise.** {escaped(experiment.exercise.question)} Check your answer: "
        f"``gpunet lecture {experiment.name} --answer NUMBER``.",
        "",
        ".. list-table:: Measured values",
        "   :widths: 60 40",
        "",
        *rows,
        "",
    ]
    return "\n".join(lines)


def reset(gallery_conf, script):
    """The style of the lecture's figures, before each script."""
    figures.matplotlib().rcParams.update(figures.STYLE)


def write_scripts(app):
    """The scripts, before sphinx-gallery looks for them."""
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    texts = {"GALLERY_HEADER.rst": HEADER}
    for number, experiment in enumerate(EXPERIMENTS, start=1):
        texts[f"{number:02}_{experiment.name}.py"] = script(experiment)
    for old in SCRIPTS.iterdir():
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (SCRIPTS / name).write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write_scripts, priority=100)
    return {"parallel_read_safe": True}
