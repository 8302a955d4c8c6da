import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import GlassError
from glassformer.pages.chart import Axis, Line, Point, chart, drawable, thin
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.system.visible import visible

from ..page import Page

RECIPE = json.dumps({"model": {"n_layer": 2, "position": {"name": "rope"}}, "train": {"steps": 40, "grad_clip": 1.0}})
FACTS = {
    "command": "glass demo --seed 1",
    "started": "2025-11-20T18:52:07+00:00",
    "git": "abc123",
    "parameters": 1_234_567,
    "machine": {"cpu": "A CPU", "cores": 2, "gpu": None},
    "dataset": {"source": "village", "tokens": {"train": 5000, "validation": 500}},
    "precision": {"chosen": "float32", "why": "it is faster here"},
}
NUMBERS = st.one_of(st.floats(), st.integers(-(10**6), 10**6), st.floats(1e-9, 1e9))


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "village night", RECIPE, FACTS)


def whole(run: Run) -> Run:
    run.log("event", 0, what="start", detail="")
    for step in range(0, 41, 2):
        loss = 1.2345678 + 8 * math.exp(-step / 10)
        more = {"lr": 1e-3, "tokens": step * 100, "tokens_per_s": 5000.0, "seconds": step * 2.0, "memory_gb": 1.5}
        run.log("train", step, loss=loss, grad_norm=0.5, **more)
        if step % 10 == 0:
            run.log("eval", step, loss=loss + 0.1, bpb=loss / 3, tokens=500, seconds=0.1, split="validation")
            run.sample(step, "Once", f"Once sample {step}", step * 2.0)
            run.log("event", step, what="checkpoint", detail="")
    for who, bpb in (("model", 0.7), ("untrained", 3.0), ("5-gram", 1.4)):
        told = {"understood": 0.9, "consistent": 0.8, "complete": 0.6, "right": 0.5, "copied": 0.05, "stories": 20}
        run.log("score", 40, who=who, bpb=bpb, name_said=1.25, name_unsaid=4.5, sentences=14.2, claims=44.6, **told)
    run.log("event", 40, what="done", detail="")
    return run


def report(run: Run) -> tuple[str, Page]:
    html = write_report(run.folder).read_text(encoding="utf-8")
    return html, Page(html)


def test_a_whole_run_is_told_in_full(run):
    html, page = report(whole(run))
    for told in ("village night", "finished", "20 November 2025", "1,234,567", "1.4811", "bits per byte", "1 min 20 s"):
        assert told in page.text, told
    for told in ("50% fewer", "90.0 %", "git checkout abc123\nglass demo --seed 1", "A CPU", "it is faster here"):
        assert told in page.text, told
    assert [f"sample {step}" in page.text for step in (0, 10, 20, 30, 40)] == [True] * 5
    assert html.count("<figure") == 6 and "5-gram 1.4" in page.text and "clipped at 1" in page.text
    assert "5 saved, from step 0 to step 40" in page.text
    assert all(told in page.text for told in ("60.0 %", "50.0 %", "1.25", "4.50", "14.2", "44.6", "already said"))


def test_fault_24_more_bits_than_a_5_gram_are_told_as_times_and_blank_lines_are_counted(run):
    run.log("score", 1, who="model", bpb=3.59)
    run.log("score", 1, who="5-gram", bpb=1.0)
    run.sample(1, "", "one" + "\n" * 30 + "two", 1.0)
    _, page = report(run)
    assert "3.6 times as many as a 5-gram" in page.text and "(29 blank lines)" in page.text and "%" not in page.text


def test_the_values_under_the_pointer_are_the_logged_ones(run):
    html, _ = report(whole(run))
    loss = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', html)[0])["lines"]
    for line, kind in zip(loss, ("train", "eval"), strict=True):
        logged = run.metrics(kind)
        assert line["steps"] == [row["step"] for row in logged]
        assert [float(value) for value in line["values"]] == pytest.approx([row["loss"] for row in logged], rel=1e-6)


def test_the_page_needs_no_other_file_and_is_the_same_each_time(run):
    html, page = report(whole(run))
    assert page.links == ["data:,"]
    assert not re.search(r"https?:|url\(|@import|fetch\(", html)
    assert report(run)[0] == html


def test_a_run_with_nothing_yet_and_a_run_in_progress(run):
    assert "No step has been logged yet" in report(run)[1].text
    run.log("event", 0, what="start", detail="")
    run.log("train", 7, loss=3.0)
    _, page = report(run)
    assert "step 7 of 40" in page.text and "has not been measured yet" in page.text and "figure" in page.tags
    assert "How good the stories are" not in page.text and "Gradient norm" not in page.text


def test_a_run_that_broke_says_so(run):
    for step, loss in enumerate([3.0, 2.0, math.nan, math.inf]):
        run.log("train", step, loss=loss, grad_norm=-math.inf)
    run.log("eval", 3, loss=math.nan, bpb=math.nan)
    run.log("event", 3, what="nan", detail="Lower the learning rate.")
    html, page = report(run)
    assert "stopped at step 3" in page.text and "Lower the learning rate." in page.text
    assert "not finite numbers" in page.text
    assert not any("nan" in path.lower() or "inf" in path.lower() for path in re.findall(r' d="([^"]*)"', html))


def test_overfitting_is_named(run):
    for step, loss in enumerate([3.0, 1.5, 2.5]):
        run.log("eval", step, loss=loss, bpb=loss)
    assert "lowest validation loss was 1.5000 at step 1" in report(run)[1].text


@given(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=20))
def test_no_text_escapes_into_the_page(tmp_path_factory, text, name):
    hostile = f"</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\0{text}"
    facts = {"command": hostile, "started": hostile, "dataset": {hostile: hostile}, "machine": {"cpu": hostile}}
    run = Run.create(tmp_path_factory.mktemp("run"), json.dumps({hostile: hostile}), facts)
    run.sample(0, name, hostile, 1.0)
    run.sample(1, name, hostile * 20, 2.0)
    run.log("event", 1, what="interrupted", detail=hostile)
    run.log("score", 1, who=hostile, bpb=1.0)
    run.log("eval", 1, loss=1.0, bpb=1.0)
    html, page = report(run)
    assert "img" not in page.tags and page.tags.count("script") == html.count("<figure") + 1
    assert "\0" not in html and "\u202e" not in html and "\\u202e" in page.text and "alert(1)" in page.text


@given(st.text(st.characters()))
def test_visible_text_can_be_written_and_keeps_what_was_visible(text):
    visible(text).encode()
    if text.isprintable():
        assert visible(text) == text


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.booleans(), st.booleans())
def test_every_point_lies_inside_its_chart(values, zero, log):
    points = [Point(step, value) for step, value in enumerate(values)]
    drawn = chart("t", "m", [Line("a", "plain", points)], len(points), zero=zero, log=log)
    finite = [value for value in values if drawable(value)]
    assert (drawn is None) == (not finite)
    if drawn:
        numbers = [float(number) for number in re.findall(r"[-\d.]+", drawn["lines"][0]["path"])]
        assert len(numbers) == 2 * len(finite) and all(0 <= number <= 1000 for number in numbers)
        assert 1 <= len(drawn["y_ticks"]) <= 7 and all(0 <= at <= 1 for at, _ in drawn["y_ticks"])


@given(st.floats(1e-6, 1e6), st.floats(1.2, 1e6), st.booleans())
def test_an_axis_has_a_few_distinct_ticks(low, ratio, log):
    ticks = Axis(low, low * ratio, log).ticks()
    assert 2 <= len(ticks) <= 6 and [at for at, _ in ticks] == sorted({at for at, _ in ticks})


@given(st.lists(NUMBERS, max_size=400), st.integers(8, 50))
def test_thinning_keeps_ends_and_extremes(values, most):
    points = [Point(step, value) for step, value in enumerate(values)]
    kept = thin(points, most)
    assert len(kept) <= max(most, 0) and kept == [point for point in points if point in kept]
    assert kept[:1] == points[:1] and kept[-1:] == points[-1:]
    finite = [value for value in values if drawable(value)]
    if finite:
        shown = [point.value for point in kept if drawable(point.value)]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


def test_a_huge_log_gives_a_page_of_bounded_size(run):
    lines = [{"kind": "train", "step": n, "loss": 2 + n % 97, "grad_norm": 1 + n % 89, "lr": n} for n in range(60_000)]
    (run.folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert len(report(run)[0]) < 400_000


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(GlassError, match=r"run\.json"):
        write_report(tmp_path)


@pytest.mark.parametrize("home", ["/home" + "/ann", "/Users" + "/ann", "C:\\Users\\ann", "OWN"])
def test_fault_35_the_page_does_not_say_whose_folder_a_file_was_in(tmp_path, home):
    from pathlib import Path

    home = str(Path.home()) if home == "OWN" else home
    own = f"{home}/parts/my_norm.py"
    recipe = {"model": {"norm": {"name": own}, "mixers": [{"name": own}]}, "train": {"steps": 40, "vectors": own}}
    source = {"name": "files", "path": f"{home}/books"}
    facts = {
        **FACTS,
        "command": f"glass train model.norm={own}",
        "dataset": {"source": source},
        "imported": f"{home}/gpt2",
    }
    run = whole(Run.create(tmp_path / "own", json.dumps(recipe), facts))
    run.log("event", 1, what="import", detail=f"{home}/gpt2")
    run.sample(40, f"{home}/x is", f"{home}/x is a path that the model wrote", 80.0)
    page = write_report(run.folder).read_text(encoding="utf-8")
    assert "~/parts/my_norm.py" in page and "~/books" in page
    page = page.replace(f"{home}/x is a path", "").replace(f"{home}/x is", "")
    assert home + "/" not in page and home + "\\" not in page
