"""The page in a real browser: nothing overflows, every figure is decoded, no equation is cut off, no network.

GPUNET_BROWSER names the browser; without it, Chromium on the PATH is used.
"""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

from gpunet.lecture import EXPERIMENTS, Result
from gpunet.lecture.page import Run
from gpunet.lecture.page import page as write_page

pytestmark = pytest.mark.slow

BROWSER = os.environ.get("GPUNET_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FRAMES = [(width, show) for show in ("closed", "open", "equations") for width in (400, 1400)]

# The page in frames of both widths, with code closed and open, and a page with the equations of all experiments; the
# measurements are written into the document.
MEASURE = """<!DOCTYPE html><body><pre id="measured"></pre><script>
const page = PAGE, equations = EQUATIONS, frames = FRAMES, measured = [];
let left = frames.length;
for (const [width, show] of frames) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:2000px;border:0`;
  frame.scrolling = "no";
  frame.srcdoc = show === "equations" ? equations
    : show === "open" ? page.replaceAll("<details>", "<details open>") : page;
  frame.onload = () => {
    const inner = frame.contentDocument, images = [...inner.images];
    measured.push({width, show,
      scroll: inner.documentElement.scrollWidth,
      over: [...inner.querySelectorAll("body *")].filter(
        one => one.getBoundingClientRect().right > width + 0.5).length,
      visible: [...inner.querySelectorAll("pre")].filter(one => one.checkVisibility()).length,
      cut: [...inner.querySelectorAll(".equations")].filter(one => one.scrollWidth > one.clientWidth).length,
      math: inner.querySelectorAll("math").length,
      images: images.length,
      decoded: images.filter(one => one.naturalWidth > 0).length,
      described: images.filter(one => one.alt.length > 60).length});
    if (--left === 0) document.getElementById("measured").textContent = JSON.stringify(measured);
  };
  document.body.append(frame);
}
</script></body>"""


def script_string(text):
    """A JavaScript string for use inside a script element."""
    return json.dumps(text).replace("</", "<\\/")


@pytest.fixture(scope="module")
def equations():
    """A page with the text of every experiment, without results."""
    nothing = Result({"value": 1.0}, ["An observation."])
    return write_page([Run(one, nothing, b"") for one in EXPERIMENTS], "numpy", 0, "0")


@pytest.fixture(scope="module")
def measured(page, equations, tmp_path_factory):
    """What the browser measures in each frame, by width and what it shows."""
    if BROWSER is None:
        pytest.skip("no browser: install Chromium, or name one in GPUNET_BROWSER")
    folder = tmp_path_factory.mktemp("browser")
    frames = folder / "frames.html"
    script = MEASURE.replace("FRAMES", json.dumps(FRAMES), 1)
    script = script.replace("EQUATIONS", script_string(equations), 1).replace("PAGE", script_string(page), 1)
    frames.write_text(script, encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=20000", "--dump-dom", frames.as_uri(),
    ]  # fmt: skip
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="measured">(\[.+?\])</pre>', dumped)
    assert found, dumped[:500]
    return {(one["width"], one["show"]): one for one in json.loads(html.unescape(found[1]))}


@pytest.mark.parametrize("width", [400, 1400])
def test_no_equation_is_cut_off(width, measured):
    one = measured[width, "equations"]
    assert one["math"] > 100
    assert one["cut"] == one["over"] == 0
    assert one["scroll"] == width


@pytest.mark.parametrize("frame", FRAMES[:4], ids=str)
def test_nothing_overflows_and_every_figure_is_there(frame, measured):
    one = measured[frame]
    assert one["scroll"] == one["width"]
    assert one["over"] == 0
    assert one["visible"] == (4 if one["show"] == "open" else 0)
    assert one["images"] == one["decoded"] == one["described"] == 4
