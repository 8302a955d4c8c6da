"""What axe-core finds in a page: the checks of accessibility that its makers can decide by a program.

The package axe-playwright-python brings the script; `pip install --no-deps axe-playwright-python` is enough, since it runs
in Chromium without Playwright. Without it the tests are skipped.
"""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

from .lens.look.browser import CHROMIUM

RUN = """<script>
addEventListener("load", () => setTimeout(async () => {
  let said;
  try {
    document.querySelectorAll("details").forEach(part => { part.open = true; });
    const found = await axe.run(document, { resultTypes: ["violations"] });
    said = { passes: found.passes.length, violations: found.violations.map(each => [each.impact, each.id, each.nodes.length,
      each.nodes.slice(0, 3).map(node => node.html.slice(0, 120) + " " + node.failureSummary.slice(0, 200))]) };
  } catch (error) { said = { failed: String(error) }; }
  const textContent = JSON.stringify(said);
  document.body.append(Object.assign(document.createElement("pre"), { id: "said-by-axe", textContent }));
}, 300));
</script></body>"""


def script() -> str:
    """axe-core itself; skips the test where it is not at hand."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.origin or CHROMIUM is None:
        pytest.skip("axe-core is not at hand: pip install --no-deps axe-playwright-python, and Chromium")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def serious(page: Path, folder: Path, dark: bool = False) -> list[list]:
    """[impact, rule, places, examples] of everything serious or critical in a page. `folder` is for the browser."""
    axe = script().replace("</script", "<\\/script")
    copy = page.with_name(f"{page.stem}-with-axe.html")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{axe}</script>{RUN}"), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}",
        "--window-size=1100,1000", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=20000", "--dump-dom", copy.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=240, check=False)
    said = re.search(r'<pre id="said-by-axe">(.*?)</pre>', done.stdout, re.S)
    if said is None:
        pytest.skip(f"Chromium does not work here: {done.stderr[-300:]}")
    found = json.loads(said[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found.get("passes", 0) > 5, f"axe did not read the page: {found}"
    return [each for each in found["violations"] if each[0] in ("serious", "critical")]
