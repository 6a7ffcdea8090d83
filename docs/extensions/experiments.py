"""The lecture's experiments as scripts for sphinx-gallery, which runs them and makes a page and a notebook of each."""

from pathlib import Path

from gpunet.lecture import EXPERIMENTS, figures
from gpunet.lecture.docstring import sections
from gpunet.lecture.equations import latex
from gpunet.lecture.result import format_value

MAIN = "\n\nif __name__ =="
SCRIPTS = Path(__file__).parents[1] / "generated" / "experiments"
HEADER = """\
The lecture's experiments
=========================

Each is a short script that uses public names alone, and each page ends with the script as a file and as a notebook.
``gpunet lecture`` runs them on the command line. C1 to C22 are the claims of the lecture.
"""


def script(experiment):
    """The source of an experiment with a docstring in the form that sphinx-gallery reads, and a call of it."""
    text = sections(experiment.text)
    title = f"{experiment.title} ({', '.join(experiment.claims)})"
    claims = "\n".join(
        f"- **{claim}** {escaped(sentence[:1].upper() + sentence[1:])}" for claim, sentence in text.claims
    )
    equations = "\n".join(f".. math::\n\n   {latex(line)}\n" for line in text.equations)
    return (
        f'r"""\n{title}\n{"=" * len(title)}\n\n{escaped(text.summary)}\n\n{claims}\n\n{equations}\n"""\n\n'
        f"{experiment.source.partition(MAIN)[0]}\n\n# %%\n\n"
        f'from gpunet.lecture import find\n\n[experiment] = find("{experiment.name}")\n'
        "result = run()\nfigure = experiment.draw(result)\nfigure\n\n# %%\n"
        f"# **Exercise.** {escaped(experiment.exercise.question)}\n#\n"
        f"# ``gpunet lecture {experiment.name} --answer NUMBER`` checks an answer.\n"
    )


def escaped(text):
    """Plain text for reStructuredText."""
    return "".join(f"\\{letter}" if letter in "*`|_\\" else letter for letter in text)


def scrape(block, block_vars, gallery_conf):
    """The figure that a script has drawn, what it shows, and the measured values, as reStructuredText."""
    names = block_vars["example_globals"]
    if "figure" not in names:
        return ""
    experiment, result, figure = (names.pop(name) for name in ("experiment", "result", "figure"))
    path = Path(next(block_vars["image_path_iterator"]))
    with figures.style():
        path.write_bytes(figures.png(figure))
    rows = [
        f"   * - {escaped(name)}\n     - {escaped(format_value(value))}"
        for name, value in result.values.items()
    ]
    lines = [
        f".. image:: /{path.relative_to(gallery_conf['src_dir']).as_posix()}",
        f"   :alt: {experiment.alt}",
        "   :class: sphx-glr-single-img",
        "   :width: 540px",
        "",
        escaped(result.observation),
        "",
        *([f"**Mistake.** {escaped(result.mistake)}", ""] if result.mistake else []),
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
