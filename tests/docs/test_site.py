"""The built site: no warning, no link that leads nowhere, nothing from the network, and nothing wider than a phone.

GPUNET_BROWSER names the browser; without it, Chromium on the PATH is used.
"""

import contextlib
import functools
import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.initializers import INITIALIZERS
from gpunet.core.losses import LOSSES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BROWSER = os.environ.get("GPUNET_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDTHS = (400, 1400)
# Those that differ in kind; the reference has a hundred pages of one kind.
LOOKED_AT = (
    "index", "fast", "benchmarks", "promises", "tables-accuracy", "robustness", "start/*", "how-to/*", "reference/*",
    "generated/benchmarks/*", "generated/gallery/*", "generated/reference/gpunet.Network",
    "generated/reference/gpunet.estimators.MLPClassifier", "generated/reference/gpunet.datasets.read_table",
)  # fmt: skip
MEASURE = """<!DOCTYPE html><body><pre id="measured"></pre><script>
const frames = FRAMES, measured = [];
function next() {
  if (measured.length === frames.length) {
    document.getElementById("measured").textContent = JSON.stringify(measured);
    return;
  }
  const [page, width] = frames[measured.length], frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:2000px;border:0`;
  frame.src = page;
  frame.onload = () => {
    const inner = frame.contentDocument, images = [...inner.querySelectorAll(".bd-article img")];
    // What scrolls in a box of its own may be wider.
    const clipped = one => one.closest("pre, .pst-scrollable-table-container, div.equation");
    measured.push({page, width,
      scroll: inner.documentElement.scrollWidth,
      over: [...inner.querySelectorAll(".bd-article *")].filter(
        one => !clipped(one) && one.getBoundingClientRect().right > width + 0.5).map(
        one => one.tagName + "." + one.className).slice(0, 5),
      cut: [...inner.querySelectorAll("div.equation")].filter(
        one => one.scrollWidth > one.clientWidth).map(one => one.textContent),
      pictures: images.filter(one =>
        one.naturalWidth === 0 || (one.alt.length < 40 && !one.closest(".sphx-glr-thumbnails"))).map(one => one.src),
      title: inner.querySelector("h1") !== null});
    frame.remove();
    next();
  };
  document.body.append(frame);
}
next();
</script></body>"""


def built(folder):
    """The folder of the site, built with warnings as errors, from a copy of its sources beside links to the rest."""
    for name in (
        "sphinx",
        "pydata_sphinx_theme",
        "numpydoc",
        "myst_parser",
        "sphinx_gallery",
        "latex2mathml",
    ):
        pytest.importorskip(name)
    checkout, site = folder / "checkout", folder / "site"
    checkout.mkdir()
    for name in ("backends", "benchmarks", "gpunet"):
        (checkout / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", checkout / "docs", ignore=shutil.ignore_patterns("generated"))
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(site)]
    build = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=900)
    assert build.returncode == 0, build.stderr
    return site


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.update(found[name] for name in ("id", "name") if found.get(name))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loads.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])


def pages_of(site):
    """The pages by their paths; in ``_static`` lie a theme's templates."""
    found = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: Page(path.read_text(encoding="utf-8")) for path in found}


def is_elsewhere(address):
    return urllib.parse.urlsplit(address).scheme != "" or address.startswith("//")


def wrong_links(pages):
    """Links within the site that lead nowhere."""
    for path, page in pages.items():
        for link in page.links:
            if is_elsewhere(link):
                continue
            place, _, fragment = link.partition("#")
            target = (path.parent / urllib.parse.unquote(place)).resolve() if place else path
            if not target.is_file():
                yield f"{path.name}: no file {link}"
            elif fragment and target in pages and urllib.parse.unquote(fragment) not in pages[target].ids:
                yield f"{path.name}: no place {link}"


def loaded_from_elsewhere(site, pages):
    """What a page or a style sheet loads from the network, or does not find."""
    for path, page in pages.items():
        for load in page.loads:
            local = path.parent / urllib.parse.unquote(load.partition("?")[0])
            if not load.startswith("data:") and (is_elsewhere(load) or not local.is_file()):
                yield f"{path.name} loads {load}"
    for sheet in site.rglob("*.css"):
        if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")):
            yield f"{sheet.name} loads from the network"


def missing_pages(site):
    """Public names and experiments without a page, or without a figure."""
    import gpunet as gn
    from gpunet.lecture import EXPERIMENTS

    names = {f"gpunet.{name}" for name in gn.__all__} - {"gpunet.datasets"}
    names |= {f"gpunet.datasets.{name}" for name in gn.datasets.__all__}
    for name in sorted(names):
        if not (site / "generated" / "reference" / f"{name}.html").is_file():
            yield f"{name} has no page"
    for number, experiment in enumerate(EXPERIMENTS, start=1):
        page = site / "generated" / "gallery" / f"{number:02}_{experiment.name}.html"
        if "sphx-glr-single-img" not in page.read_text(encoding="utf-8"):
            yield f"{experiment.name} has no figure"


def measured(site, profile):
    """What the browser measures of each page at both widths."""
    chosen = sorted(path for name in LOOKED_AT for path in site.glob(f"{name}.html"))
    frames = [(path.relative_to(site).as_posix(), width) for path in chosen for width in WIDTHS]
    (site / "frames.html").write_text(MEASURE.replace("FRAMES", json.dumps(frames), 1), encoding="utf-8")
    with served(site) as address:
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
            "--hide-scrollbars", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {address.partition(':')[0]}",
            f"--user-data-dir={profile}", "--virtual-time-budget=600000", "--dump-dom", f"http://{address}/frames.html",
        ]  # fmt: skip
        dumped = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
    found = re.search(r'<pre id="measured">(\[.+?\])</pre>', dumped, re.S)
    assert found, dumped[:500]
    every = json.loads(html.unescape(found[1]))
    assert len(every) == len(frames)
    return every


def not_legible(every):
    """Pages that are wider than the screen, and pictures that are missing or not described."""
    for one in every:
        where = f"{one['page']} at {one['width']} px"
        if one["scroll"] > one["width"] or one["over"]:
            yield f"{where}: too wide, {one['over']}"
        if one["cut"] and "/gallery/" in one["page"]:  # these break between their terms
            yield f"{where}: equations that scroll, {one['cut']}"
        if one["pictures"]:
            yield f"{where}: no picture or no description, {one['pictures']}"
        if not one["title"]:
            yield f"{where}: no title"


@contextlib.contextmanager
def served(folder):
    """The folder behind a server of this machine: a page may look into frames of its own server alone."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow(seconds=60)
def test_the_site(tmp_path):
    """One test: the site is built once, however many processes share out the tests."""
    site = built(tmp_path)
    pages = pages_of(site)
    assert sum(len(page.links) for page in pages.values()) > 1000
    problems = [*wrong_links(pages), *loaded_from_elsewhere(site, pages), *missing_pages(site)]
    assert problems == []

    layers = (site / "reference" / "layers.html").read_text(encoding="utf-8")
    for name in (*ACTIVATIONS, *LOSSES, *INITIALIZERS):
        assert f'<span class="pre">{name}</span>' in layers

    fast = (site / "fast.html").read_text(encoding="utf-8")
    assert fast.count("<math") > 5
    assert "<merror" not in fast
    assert "MathJax" not in fast
    assert fast.count('<svg class="picture"') == 5
    assert fast.count("Measured: ") + fast.count("No measurement is stored") == 5
    assert fast.count("Measured: ") >= 1

    if BROWSER is None:
        pytest.skip("no browser: install Chromium, or name one in GPUNET_BROWSER")
    assert list(not_legible(measured(site, tmp_path / "profile"))) == []
