"""Bands of normal losses: drawn for the recipe, text and steps they were measured with, and explained otherwise."""

import json
from pathlib import Path

import pytest

from glassformer.pages.chart import Area, Line, Point, chart
from glassformer.recipes.presets import named
from glassformer.runs import bands
from glassformer.runs.bands import essence, normal
from glassformer.runs.report import write_report
from glassformer.runs.run import Run

FILES = sorted(Path(bands.__file__).parent.glob("*.json"))
DATASET = {"fingerprint": "a text", "tokenizer": "a tokenizer"}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """One band, of `speedrun` as it is now on some text."""
    recipe = named("speedrun").model_dump(mode="json")
    band = {"steps": [0, 30, 60], "low": [4.0, 1.5, 1.0], "high": [4.2, 1.8, 1.2]}
    told = {"seeds": 6, "steps": 60, "measured": "a day, a chip", "essence": essence(recipe, DATASET)}
    monkeypatch.setattr(bands, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "speedrun.json").write_text(json.dumps({**told, "train": band, "validation": band}))
    return recipe


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_shipped_is_whole_and_of_the_recipe_as_it_is(path):
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["seeds"] >= 5
    for kind in ("train", "validation"):
        band = told[kind]
        assert len(band["steps"]) == len(band["low"]) == len(band["high"]) and band["steps"][-1] == told["steps"]
        assert all(0 < low < high for low, high in zip(band["low"], band["high"]))
    recipe = named(told["recipe"]).override(
        *told["settings"], f"model.vocab_size={told['essence']['model']['vocab_size']}"
    )
    facts = {"fingerprint": told["essence"]["text"], "tokenizer": told["essence"]["tokenizer"]}
    found = normal(recipe.model_dump(mode="json"), facts, told["steps"])
    assert found.train is not None, f"measure it again with `python bench/bands.py`: {found.said}"


def test_a_band_belongs_to_its_settings_its_text_and_its_steps(measured):
    train = measured["train"]
    assert normal(measured, DATASET, 60).validation.low == [4.0, 1.5, 1.0]
    alike = {"seed": 7, "eval_every": 3, "micro_batch_size": 16, "grad_accumulation": 2}
    assert normal({**measured, "train": train | alike},
                  DATASET, 63).train is not None  # fmt: skip
    for other, dataset, steps, why in (
        (measured, DATASET, 90, "the number of steps (60 there)"),
        (measured, {**DATASET, "fingerprint": "another"}, 60, "the text"),
        ({**measured, "train": {**train, "learning_rate": 0.1}}, DATASET, 60, "train.learning_rate"),
        ({**measured, "train": {**train, "micro_batch_size": 8}}, DATASET, 60, "train.batch"),
    ):
        found = normal(other, dataset, steps)
        assert found.train is None and why in found.said
    assert normal({"model": {}, "train": {}}, {}, 60).said == ""


def test_the_report_draws_it_behind_the_losses(measured, tmp_path):
    run = Run.create(tmp_path / "run", json.dumps(measured), {"dataset": DATASET})
    for step in (30, 60):
        run.log("train", step, loss=1.6)
        run.log("eval", step, loss=1.6, bpb=1.0)
    html = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert html.count('class="area train"') == html.count('class="area validation"') == 1
    assert "95 of 100 runs of this recipe lie there, by 6 runs with other seeds (a day, a chip)" in html


def test_an_area_is_cut_off_at_the_edges_of_the_chart():
    line = Line("", "plain", [Point(0, 1.0), Point(10, 2.0)])
    area = Area("train", [Point(0, 0.0), Point(10, 1.5)], [Point(0, 9.0), Point(10, 1.8)])
    (drawn,) = chart("", "", [line], 10, areas=[area])["areas"]
    corners = [tuple(map(float, corner.split())) for corner in drawn["path"][1:-1].split("L")]
    assert corners[0] == (0, 0) and corners[-1] == (0, 1000) and 0 < corners[1][1] < corners[2][1] < 1000
