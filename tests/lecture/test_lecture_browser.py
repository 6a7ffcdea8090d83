"""The page in a real browser: nothing overflows, every picture is decoded, no network.

GPUNET_BROWSER names the browser; without it, a Chromium on the PATH is taken.
"""

import html
import json
import os
import shutil
import subprocess

import pytest

from gpunet.cli import main
from gpunet.lecture import find

BROWSER = os.environ.get("GPUNET_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# The page in frames of both widths; what is measured is written into the document and dumped.
MEASURE = """<!DOCTYPE html><body><pre id="said"></pre><script>
const widths = [400, 1400], said = [];
let left = widths.length;
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:2000px;border:0`;
  frame.scrolling = "no";
  frame.srcdoc = PAGE;
  frame.onload = () => {
    const inner = frame.contentDocument, images = [...inner.images];
    const wide = [...inner.querySelectorAll("body *")].filter(
      one => one.getBoundingClientRect().right > width + 0.5);
    said.push(`width ${width} scroll ${inner.documentElement.scrollWidth} over ${wide.length} `
      + `images ${images.length} decoded ${images.filter(one => one.naturalWidth > 0).length} `
      + `described ${images.filter(one => one.alt.length > 60).length}`);
    if (--left === 0) document.getElementById("said").textContent = said.join("\\n");
  };
  document.body.append(frame);
}
</script></body>"""


def script_string(text):
    """A JavaScript string for use inside a script element."""
    return json.dumps(text).replace("</", "<\\/")


@pytest.mark.parametrize("open_code", [False, True], ids=["closed", "code open"])
def test_nothing_overflows_and_every_picture_is_there(open_code, monkeypatch, tmp_path):
    if BROWSER is None:
        pytest.skip("no browser: install Chromium, or name one in GPUNET_BROWSER")
    some = [one for name in ("softmax", "saturation", "momentum", "depth") for one in find(name)]
    monkeypatch.setattr("gpunet.lecture.command.find", lambda what: some)
    assert main(["lecture", "all", "--out", str(tmp_path), "--backend", "numpy"]) == 0
    page = (tmp_path / "lecture.html").read_text(encoding="utf-8")
    if open_code:
        page = page.replace("<details>", "<details open>")
    frames = tmp_path / "frames.html"
    frames.write_text(MEASURE.replace("PAGE", script_string(page), 1), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000", "--dump-dom", frames.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = html.unescape(ran.stdout.partition('<pre id="said">')[2].partition("</pre>")[0])
    assert len(said.splitlines()) == 2, said
    for line in said.splitlines():
        _, width, _, scroll, _, over, _, images, _, decoded, _, described = line.split()
        assert scroll == width
        assert over == "0"
        assert images == decoded == described == "4"
