"""The page in a real browser: nothing overflows, every figure is decoded, no network.

GPUNET_BROWSER names the browser; without it, Chromium on the PATH is used.
"""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slow

BROWSER = os.environ.get("GPUNET_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FRAMES = [(width, code) for code in ("closed", "open") for width in (400, 1400)]

# The page in frames of both widths, with code closed and open; the measurements are written into the document.
MEASURE = """<!DOCTYPE html><body><pre id="measured"></pre><script>
const page = PAGE, frames = FRAMES, measured = [];
let left = frames.length;
for (const [width, code] of frames) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:2000px;border:0`;
  frame.scrolling = "no";
  frame.srcdoc = code === "open" ? page.replaceAll("<details>", "<details open>") : page;
  frame.onload = () => {
    const inner = frame.contentDocument, images = [...inner.images];
    measured.push({width, code,
      scroll: inner.documentElement.scrollWidth,
      over: [...inner.querySelectorAll("body *")].filter(
        one => one.getBoundingClientRect().right > width + 0.5).length,
      visible: [...inner.querySelectorAll("pre")].filter(one => one.checkVisibility()).length,
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
def measured(page, tmp_path_factory):
    """What the browser measures in each frame, by width and whether the code is open."""
    if BROWSER is None:
        pytest.skip("no browser: install Chromium, or name one in GPUNET_BROWSER")
    folder = tmp_path_factory.mktemp("browser")
    frames = folder / "frames.html"
    script = MEASURE.replace("FRAMES", json.dumps(FRAMES), 1).replace("PAGE", script_string(page), 1)
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
    return {(one["width"], one["code"]): one for one in json.loads(html.unescape(found[1]))}


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_nothing_overflows_and_every_figure_is_there(frame, measured):
    one = measured[frame]
    assert one["scroll"] == one["width"]
    assert one["over"] == 0
    assert one["visible"] == (4 if one["code"] == "open" else 0)
    assert one["images"] == one["decoded"] == one["described"] == 4
