"""The fenced code blocks of a Markdown page, and a page as one script."""

import re
import tomllib
from typing import NamedTuple

FENCE = re.compile(
    r"^(?:% (?P<why>Not run[^\n]*)\n)?```(?P<language>[\w{}-]+)[^\n]*\n(?P<body>.*?)^```$", re.M | re.S
)
# A command that a page shows is run with this checkout's gpunet.
RUN = "import shlex, subprocess, sys\nsubprocess.run([sys.executable, '-m', *shlex.split({command!r})], check=True)"


class Block(NamedTuple):
    """One block: its language, its text, and what the page says why it is not run; None if it is."""

    language: str
    body: str
    not_run: str | None


def blocks(text):
    """All blocks of a page, in their order."""
    return [Block(one["language"], one["body"].strip(), one["why"]) for one in FENCE.finditer(text)]


def as_script(text):
    """What a reader runs who copies a page from its top to its end: its Python, and its ``gpunet`` commands.

    TOML is parsed.

    Raises
    ------
    ValueError
        For a block that is neither run nor says why not, and for TOML with a mistake.
    """
    parts = []
    for language, body, not_run in blocks(text):
        if not_run or language.startswith("{"):
            continue
        if language == "python":
            parts.append(body)
        elif language == "toml":
            tomllib.loads(body)
        elif language == "console":
            for line in body.splitlines():
                if not line.startswith("$ gpunet "):
                    raise ValueError(f"not a command of gpunet: {line}")
                parts.append(RUN.format(command=line.removeprefix("$ ")))
        elif language != "bash" or not body.startswith("pip install "):
            raise ValueError(f"this block is not run, and the page does not say why:\n{body}")
    return "\n\n".join(parts)
