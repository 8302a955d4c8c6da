"""A page of `glass look` in headless Chromium: what a script finds there, and what the browser complained about."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FRAME = """<!doctype html><title></title><script>
addEventListener("message", got => {
  const said = Object.assign(document.createElement("pre"), { id: "said", textContent: got.data });
  document.body.append(said);
});
</script><body><iframe src="inside.html%s" width="%d" height="900" style="border: 0"></iframe>"""
ASK = """<script>
const wrong = [];
addEventListener("error", event => wrong.push(event.message ?? "a file was not loaded"), true);
addEventListener("unhandledrejection", event => wrong.push(String(event.reason)));
for (const name of ["fetch", "open"]) window[name] = () => wrong.push(name);
XMLHttpRequest.prototype.open = () => wrong.push("XMLHttpRequest");
addEventListener("load", () => setTimeout(async () => {
  const wait = () => new Promise(done => setTimeout(done, 30));
  let found = null;
  try { found = await (async () => { %s })(); } catch (error) { wrong.push(String(error.stack)); }
  const loaded = performance.getEntriesByType("resource").map(each => each.name);
  const requests = loaded.filter(name => !name.startsWith("data:"));
  parent.postMessage(JSON.stringify({ found, wrong, requests, address: location.hash }), "*");
}, 50));
</script>"""


def ask(page: Path, name: str, folder: Path, address: str = "", width: int = 1000, dark: bool = False) -> dict:
    """What the script of this name, the body of an async function, returns in the page, which was opened at an address.
    Nothing may go wrong meanwhile."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    text = page.read_text(encoding="utf-8")
    script = (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
    (folder / "inside.html").write_text(text.replace("<main>", ASK % script + "<main>"), encoding="utf-8")
    (folder / "frame.html").write_text(FRAME % (address, width), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}",
        "--window-size=1100,1000", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom", (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    if said is None:
        pytest.skip(f"Chromium does not work here: {done.stderr[-300:]}")
    found = json.loads(said[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not found["wrong"] and not console, (found["wrong"], console)
    assert all(name.endswith("inside.html") for name in found["requests"]), found["requests"]
    return found
