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

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BROWSER = os.environ.get("GPUNET_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDTHS = (400, 1400)
# Those that differ in kind; the reference has a hundred pages of one kind.
LOOKED_AT = (
    "index", "fast", "benchmarks", "promises", "tables-accuracy", "start/*", "how-to/*", "reference/*",
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
      pictures: images.filter(one => one.naturalWidth === 0 || one.alt.length < 1).map(one => one.src),
      title: inner.querySelector("h1") !== null});
    frame.remove();
    next();
  };
  document.body.append(frame);
}
next();
</script></body>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as a fresh checkout builds it, with warnings as errors."""
    for name in (
        "sphinx",
        "pydata_sphinx_theme",
        "numpydoc",
        "myst_parser",
        "sphinx_gallery",
        "latex2mathml",
    ):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-E",
        "-b",
        "html",
        "docs",
        str(out),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert built.returncode == 0, built.stderr
    return out


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


@pytest.fixture(scope="module")
def pages(site):
    found = [
        path for path in site.rglob("*.html") if "_static" not in path.parts
    ]  # where a theme's templates lie
    return {path: Page(path.read_text(encoding="utf-8")) for path in found}


def is_elsewhere(address):
    return urllib.parse.urlsplit(address).scheme != "" or address.startswith("//")


def test_every_link_within_the_site_leads_somewhere(pages):
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            if is_elsewhere(link):
                continue
            place, _, fragment = link.partition("#")
            target = (path.parent / urllib.parse.unquote(place)).resolve() if place else path
            if target.suffix == ".html" and target in pages:
                if fragment and urllib.parse.unquote(fragment) not in pages[target].ids:
                    wrong.append(f"{path.name}: {link}")
            elif not target.is_file():
                wrong.append(f"{path.name}: {link}")
    assert wrong == []
    assert sum(len(page.links) for page in pages.values()) > 1000


def test_nothing_is_loaded_from_the_network(site, pages):
    for path, page in pages.items():
        for load in page.loads:
            assert load.startswith("data:") or not is_elsewhere(load), f"{path.name} loads {load}"
            if not load.startswith("data:"):
                assert (path.parent / urllib.parse.unquote(load.partition("?")[0])).is_file(), (
                    f"{path.name}: {load}"
                )
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text), sheet


def test_formulas_are_mathml(pages, site):
    text = (site / "fast.html").read_text(encoding="utf-8")
    assert text.count("<math") > 5
    assert "<merror" not in text
    assert "MathJax" not in text


def test_figures_come_from_stored_results(site):
    text = (site / "fast.html").read_text(encoding="utf-8")
    assert text.count("Measured: ") + text.count("No measurement is stored") == 5
    assert text.count("Measured: ") >= 1
    assert text.count('<svg class="picture"') == 5


def test_every_experiment_has_a_page_with_its_figure(site):
    from gpunet.lecture import EXPERIMENTS

    for number, experiment in enumerate(EXPERIMENTS, start=1):
        page = site / "generated" / "gallery" / f"{number:02}_{experiment.name}.html"
        assert "sphx-glr-single-img" in page.read_text(encoding="utf-8")


def test_every_public_name_has_a_page(site):
    import gpunet as gn

    wanted = {f"gpunet.{name}" for name in gn.__all__} - {"gpunet.datasets"}
    wanted |= {f"gpunet.datasets.{name}" for name in gn.datasets.__all__}
    found = {path.stem for path in (site / "generated" / "reference").glob("*.html")}
    assert wanted <= found


@pytest.fixture(scope="module")
def measured(site, tmp_path_factory):
    """What the browser measures of each page at both widths."""
    if BROWSER is None:
        pytest.skip("no browser: install Chromium, or name one in GPUNET_BROWSER")
    chosen = sorted(path for name in LOOKED_AT for path in site.glob(f"{name}.html"))
    frames = [(path.relative_to(site).as_posix(), width) for path in chosen for width in WIDTHS]
    (site / "frames.html").write_text(MEASURE.replace("FRAMES", json.dumps(frames), 1), encoding="utf-8")
    with served(site) as address:
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
            "--hide-scrollbars", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {address.partition(':')[0]}",
            f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
            "--virtual-time-budget=600000", "--dump-dom", f"http://{address}/frames.html",
        ]  # fmt: skip
        dumped = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
    found = re.search(r'<pre id="measured">(\[.+?\])</pre>', dumped, re.S)
    assert found, dumped[:500]
    every = json.loads(html.unescape(found[1]))
    assert len(every) == len(frames)
    return every


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


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(width, measured):
    wrong = [one for one in measured if one["width"] == width and (one["scroll"] > width or one["over"])]
    assert wrong == []
    assert all(one["title"] for one in measured)


def test_pictures_are_there_and_described(measured):
    assert [one for one in measured if one["pictures"]] == []
