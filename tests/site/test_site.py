"""The documentation site: what is read from the package, where links lead, and the built pages in a browser offline."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from glassformer.site import markdown
from glassformer.site.build import ROOT
from glassformer.site.links import documents, relinked
from glassformer.site.modules import modules, plain_code
from glassformer.site.papers import papers

from ..axe import script, serious

FOUND = {module.name: module for module in modules()}


def test_a_module_is_read_as_python_reads_it():
    from glassformer.kernels import rms_norm

    read = FOUND["glassformer.kernels.rms_norm"]
    (plain,) = [item for item in read.items if item.name == "plain"]
    assert read.doc == (rms_norm.__doc__ or "").strip() and plain.doc == rms_norm.plain.__doc__
    assert plain.signature == "(x: Tensor, weight: Tensor, eps: float=1e-06) -> Tensor"
    assert plain_code(read).startswith("def plain(") and "mean" in plain_code(read)


def test_what_is_private_is_no_api():
    assert not [name for name in FOUND if "._" in name or name.startswith("glassformer.cli")]
    assert not [item.name for module in FOUND.values() for item in module.items if item.name.startswith("_")]


def test_a_formula_keeps_its_form_and_text_has_no_markup():
    doc = "Norm of x_i * y [a](b) <c>, `x * y`.\n\n    y_t = a * b\n      + c\n\n>>> f(1)\n2"
    assert markdown.prose(doc) == (
        "Norm of x\\_i \\* y \\[a\\](b) &lt;c>, `x * y`.\n\n```text\ny_t = a * b\n  + c\n```\n\n```pycon\n>>> f(1)\n2\n```"
    )


def test_papers_say_where_they_are_used():
    found = papers(list(FOUND.values()))
    uses = {use.module.name: use.where for use in found["Su et al.", 2021]}
    assert uses["glassformer.kernels.rope"] == "eq. 34"
    assert {use.module.name for use in found["Kingma and Ba", 2015]} >= {"glassformer.kernels.adamw"}
    assert [year for _, year in found] == sorted(year for _, year in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](guide.md#x) [b](#y) [c](https://x.y)", "[a](guide.md#x) [b](#y) [c](https://x.y)"),
        ("[r](../README.md)", "[r](../index.md)"),
        ("[`l`](../lessons/00_language_model.py)", "[`l`](../lessons/00_language_model.ipynb)"),
        ("[f](../glassformer/model/norm/)", "[f](../api/glassformer.model.norm.md)"),
        ("[s](../glassformer/errors.py)", "[s](source:../source/glassformer/errors.py.html)"),
        ("```\n[s](../glassformer/errors.py)\n```", "```\n[s](../glassformer/errors.py)\n```"),
    ],
)
def test_links_lead_to_the_site(text, expected):
    assert relinked(text, ROOT, PurePosixPath("docs"), set()) == expected


def test_every_link_of_the_lessons_leads_somewhere():
    """tests/test_readme.py asks the same of the documents."""
    broken = []
    for path in [*(ROOT / "lessons").glob("*.py"), *documents(ROOT)]:
        targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", re.sub(r"```.*?```", "", path.read_text(), flags=re.S))
        broken += [f"{path.name}: {target}" for target in targets if not (path.parent / target).exists()]
    assert not broken


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    from glassformer.errors import GlassError
    from glassformer.site.build import build

    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(GlassError, match="--out"):
        build(tmp_path, tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("package", ["furo", "myst_nb", "sphinx", "jupytext"])
def test_a_missing_package_is_one_sentence(package, tmp_path, monkeypatch):
    from glassformer.errors import MissingPackage
    from glassformer.site.build import build

    for name in ("furo", "myst_nb", "sphinx", "jupytext"):  # none is really imported
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    monkeypatch.setitem(sys.modules, "sphinx.application", None if package == "sphinx" else type(sys)("x"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=f"glass docs needs {package}.*install it with"):
        build(tmp_path / "site", tmp_path)
    assert not list(tmp_path.iterdir())


installed = all(importlib.util.find_spec(name) for name in ("sphinx", "furo", "myst_nb"))
needs_docs = pytest.mark.skipif(not installed, reason="the extra docs is not installed")
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//|url\(["']?(?:https?:)?//""")
PAGES = ["docs/path", "docs/faq", "lessons/03_transformer", "formulas/rope", "api/glassformer.model", "papers"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "built"
    command = [sys.executable, "-m", "glassformer", "docs", "--no-open", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr, done.stdout
    return out


@needs_docs
@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_site_is_whole_and_asks_for_nothing(site):
    pages = list(site.rglob("*.html"))
    for name in PAGES:
        assert (site / f"{name}.html").is_file(), name
    for path in [*pages, *site.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not OUTSIDE.search(text), path
        for target in re.findall(r'<a [^>]*href="([^"#:]+)[#"]', text):
            assert (path.parent / target).exists(), f"{path.relative_to(site)} leads to {target}"
    rope = (site / "formulas/rope.html").read_text()
    assert "base^(-2i/D)" in rope and "../source/glassformer/kernels/rope.py.html" in rope


@needs_docs
@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("page", ["index", *PAGES])
def test_a_browser_without_a_network_misses_nothing(site, page, tmp_path):
    """Every host name is refused, and Chromium says on its console what it could not load."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000",
        "--dump-dom", (site / f"{page}.html").as_uri(),
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, env=environment, check=False)
    if "</html>" not in done.stdout:
        pytest.skip(f"Chromium does not work here: {done.stderr[-300:]}")
    assert "sidebar" in done.stdout
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_docs
@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["index", "lessons/00_language_model"])
def test_axe_finds_nothing_serious(site, page, dark, tmp_path):
    script()
    assert not serious(site / f"{page}.html", tmp_path, dark)
