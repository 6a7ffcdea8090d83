"""How an extra is installed here: gpunet may come from a package index, from a checkout or from a repository."""

from __future__ import annotations

import functools
from pathlib import Path


def install_command(extra: str) -> str:
    """The command that installs an extra, from where gpunet itself was installed.

    ``pip install "gpunet[plot]"`` from a package index, ``pip install ".[plot]"`` in the folder of a checkout, with its
    path elsewhere.
    """
    option, source, reference = _origin()
    if source is not None:
        folder = "." if source == Path.cwd() else str(source)
        return f'pip install {option}"{folder}[{extra}]"'
    return f'pip install "gpunet[{extra}]{reference}"'


@functools.cache
def _origin() -> tuple[str, Path | None, str]:
    """Pip's option, the folder of the checkout or None, and what follows the name of a package from elsewhere."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        text = distribution("gpunet").read_text("direct_url.json")
    except PackageNotFoundError:  # it runs from its sources
        return "", Path(__file__).parents[1], ""
    if text is None:
        return "", None, ""
    origin = json.loads(text)
    url = origin["url"]
    if "dir_info" in origin:
        folder = Path(url2pathname(urlsplit(url).path))
        if not folder.is_dir():  # a package was built there, as conda's are
            return "", None, ""
        return "-e " if origin["dir_info"].get("editable") else "", folder, ""
    vcs = origin.get("vcs_info", {}).get("vcs")
    return "", None, f" @ {vcs}+{url}" if vcs else f" @ {url}"
