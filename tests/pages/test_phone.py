"""Every page on a phone, in light and dark: nothing hangs over the side, and every curve is seen against its card.

The colours are computed from the style sheets. What a browser makes of a page is measured in a headless Chromium, where
there is one.
"""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

import glassformer
from glassformer.lab import compare, stability
from glassformer.pages import frame
from glassformer.pages.chart import Line, Point, chart, intervals
from glassformer.runs.overlay import overlay, write_page
from glassformer.runs.report import write_report
from glassformer.runs.run import Run

PAGES = Path(frame.__file__).parent
LONG = "model.mixer=sliding model.mixer.window=16 model.norm=layernorm train.optimizer=./" + "a_long_name_of_a_file" * 3
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
VISIBLE = 3.0
"""The contrast that WCAG 2.1 (1.4.11) asks of graphics."""


def curves(lines: int) -> list[dict]:
    made = [Line(LONG if n else "baseline", f"v{n}", [Point(0, 1.0), Point(9, 2.0 + n)], dots=True) for n in range(lines)]
    drawn = chart("Bits per byte of held-out text", "what it is " * 20, made, 9, references={LONG: 1.5}, resumed=[5])
    assert drawn
    return [drawn]


def compared(folder: Path) -> Path:
    header = ["", "bits per byte", "at 2x", "parameters", "tokens/s", "memory"]
    values = {
        "name": LONG, "budget": "Equal budget.", "notes": [LONG], "header": header, "seeds": 3, "verdicts": [LONG],
        "rows": [[name, "4.4188 ± 0.0021", "4.419", "26,208", "653", "0.7 MiB"] for name in ("baseline", LONG)],
        "charts": curves(6), "version": glassformer.__version__, "commands": [LONG],
        "differences": [{**one, "text": "-5.0 % (-28 to +18)"} for one in intervals([(LONG, -9.0, 1.0, 8.0)])],
    }  # fmt: skip
    return write(folder, Path(compare.__file__).with_name("compare.html"), values)


def stable(folder: Path) -> Path:
    header = ["norm", "layers", "warmup", "initialisation", "word", "first loss", "final loss", "lowest to highest"]
    values = {
        "header": header, "rows": [["post", "12", "yes", LONG, "stuck", "5.25", "5.25", "5.2 to 5.3"]] * 3,
        "counting": LONG, "verdict": LONG, "reading": [LONG], "charts": curves(4), "commands": [LONG],
        "version": glassformer.__version__,
    }  # fmt: skip
    return write(folder, Path(stability.__file__).with_name("stability.html"), values)


def write(folder: Path, template: Path, values: dict) -> Path:
    page = folder / template.name
    page.write_text(frame.render(template, values), encoding="utf-8")
    return page


def reported(folder: Path) -> Path:
    facts = {"command": LONG, "argv": ["train", LONG], "machine": {"cpu": LONG}, "dataset": {"source": LONG}}
    run = Run.create(folder / "a run", json.dumps({"model": {"mixer": LONG}, "train": {"steps": 9}}), facts)
    for step in range(0, 10, 3):
        run.log("train", step, loss=9.0 - step, grad_norm=0.5, lr=1e-3, tokens=step, tokens_per_s=5.0, seconds=step * 2.0)
        run.log("eval", step, loss=9.1 - step, bpb=3.0, tokens=500, seconds=0.1, split="validation")
        run.sample(step, LONG, LONG * 5, step * 2.0)
        run.log("event", step, what="checkpoint", detail=LONG)
    shares = {"understood": 0.9, "consistent": 0.8, "wholly_right": 0.5, "original": 1, "stories": 20}
    for who in ("model", "untrained", "5-gram"):
        run.log("score", 9, who=who, bpb=0.7, **shares)
    return write_report(run.folder)


def overlaid(folder: Path) -> Path:
    facts = {"parameters": 1, "dataset": {"source": LONG}}
    for n in range(3):
        recipe = {"train": {"optimizer": LONG + str(n)}}
        run = Run.create(folder / f"{n}{LONG[:60].replace('/', '')}", json.dumps(recipe), facts)
        for step in range(1, 9):
            run.log("train", step, loss=9.0 - step, lr=1e-3, tokens=step, tokens_per_s=5.0, seconds=step * 2.0)
            run.log("eval", step, loss=9.1 - step, bpb=3.0)
    return write_page(overlay(sorted(folder.glob("[0-9]*"))), folder / "overlay.html")


def checked(folder: Path) -> Path:
    import numpy as np

    from glassformer.lab.check import CheckConfig
    from glassformer.lab.check.look import look
    from glassformer.lab.check.page import write_page

    from ..lab.check.planted import noise, plant

    rng = np.random.default_rng(0)
    text, *others = noise(rng, *[300] * 8)
    plant(folder / "set", [text, *others], [text, *noise(rng, 300)])
    write_page(look(folder / "set", CheckConfig(), lambda line: None), folder / "check.html")
    return folder / "check.html"


MEASURE = """<script>
addEventListener("load", () => {
  const box = part => part.getBoundingClientRect();
  const parts = [...document.querySelectorAll("main *")].filter(part => !part.closest("svg"));
  const wide = parts.filter(part => box(part).right > innerWidth + 1);
  parent.postMessage(JSON.stringify({
    inner: innerWidth, scroll: document.scrollingElement.scrollWidth, back: getComputedStyle(document.body).backgroundColor,
    wide: wide.slice(0, 5).map(part => part.tagName + " " + part.className + " " + part.innerText.slice(0, 30)),
    plots: [...document.querySelectorAll(".plot, .interval")].map(part => box(part).width).filter(width => width > 0),
  }), "*");
});
</script>"""
PHONE = """<!doctype html><title></title>
<script>addEventListener("message", got => { document.title = got.data; });</script>
<iframe src="measured.html" width="360" height="800" style="border: 0"></iframe>"""


def measured(page: Path, folder: Path, dark: bool) -> dict:
    """What a phone of 360 pixels makes of a page. (No window of Chromium is as narrow as that, but a frame can be.)"""
    phone, copy = folder / "phone.html", folder / "measured.html"
    phone.write_text(PHONE, encoding="utf-8")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}",
        "--window-size=800,900", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=5000", "--dump-dom", phone.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout, re.S)
    if title is None:
        pytest.skip(f"Chromium does not work here: {done.stderr[-300:]}")
    found = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert found["inner"] == 360
    return found


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize(
    ("make", "dark"),
    [(compared, False)]
    + [pytest.param(make, True, marks=pytest.mark.slow) for make in (compared, stable, reported, overlaid, checked)],
)
def test_fault_37_no_page_scrolls_sideways_on_a_phone(tmp_path, make, dark):
    found = measured(make(tmp_path), tmp_path, dark)
    assert found["scroll"] <= 360 and not found["wide"], found["wide"]
    assert found["plots"] and min(found["plots"]) > 200, "a plot is too small to be read"
    assert (found["back"] == "rgb(21, 23, 27)") is dark


# ----------------------------------------------------------------------------------------------------------- colours


def colours(*sheets: str) -> dict[str, dict[str, str]]:
    """The colours of the style sheets by scheme and name."""
    text = "\n".join((PAGES / sheet).read_text(encoding="utf-8") for sheet in sheets)
    dark = "".join(re.findall(r"prefers-color-scheme: dark\) \{(.*?)\n\}", text, re.S))
    printed = "".join(re.findall(r"@media print \{(.*?)\n\}", text, re.S))
    light = re.sub(r"@media (print|\(prefers-color-scheme: dark\)) \{.*?\n\}", "", text, flags=re.S)
    named = {name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", part)) for name, part in
             (("light", light), ("dark", dark), ("print", printed))}  # fmt: skip
    return {"light": named["light"], "dark": named["light"] | named["dark"], "print": named["light"] | named["print"]}


def contrast(one: str, other: str) -> float:
    """The ratio of luminances that WCAG 2.1 defines, from 1 to 21."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, less = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (less + 0.05)


CURVES = ["train", "validation", "plain", "reference", "bad", "good", *(f"v{n}" for n in range(6))]


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_fault_37_every_curve_is_seen_against_its_card(scheme):
    found = colours("page.css", "curves.css")[scheme]
    faint = {name: round(contrast(found[name], found["card"]), 2) for name in CURVES}
    assert not {name: ratio for name, ratio in faint.items() if ratio < VISIBLE}
    assert contrast(found["ink"], found["card"]) > 7 and contrast(found["soft"], found["card"]) > 4.5


def test_fault_37_a_curve_under_another_one_is_still_seen():
    """Lines that coincide: the one below is wider."""
    text = (PAGES / "curves.css").read_text(encoding="utf-8")
    widths = [float(width) for width in re.findall(r"\.plot \.v\d \{ stroke: var\(--v\d\); stroke-width: ([\d.]+)", text)]
    assert len(widths) == 6 and all(below > above for below, above in pairwise(widths[:5]))


def test_contrast_is_what_wcag_says():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
