"""A comparison: its rows are ordinary runs, it continues after an interruption, and doubts are reported."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glassformer import cli
from glassformer.data.batches import sequential
from glassformer.errors import GlassError, SettingError, Stopped
from glassformer.lab.compare import Result, judge, measure
from glassformer.lab.compare.design import Entry, Question, command
from glassformer.lab.compare.measure import LENGTHS, Measured, held_out, lengths, measured
from glassformer.model.gpt import GPT
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe, mini
from glassformer.recipes.words import recipe_of as words_recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.system.files import write_atomic
from glassformer.train.doctor.diverged import Diverged
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

from .questions import QUESTION, SMALL, ask

pytestmark = pytest.mark.usefixtures("workshop")


def glass(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["glass", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def first(workshop):
    return ask(QUESTION, "first")


def test_every_row_is_the_run_that_its_printed_command_trains(first, monkeypatch):
    design, results = first
    entry, seed = design.entries[1], design.seeds[1]
    folder = Path("runs/first") / f"{entry.name}-{seed}"
    printed = Run.open(folder).facts()["command"]
    words = shlex.split(printed)
    assert words == ["glass", *design.words(entry, seed, f"first/{entry.name}-{seed}")]
    assert glass(monkeypatch, *words[1:-1], "again") == 0
    ours, again = checkpoint.load(folder).model(), checkpoint.load(Path("runs/again")).model()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), again.parameters(), strict=True))
    data = build.dataset(mini().override(*SMALL), lambda *told: None)
    assert measured(Path("runs/again"), data, torch.device("cpu")).bpb == results[1].runs[1].bpb


def test_a_stopped_comparison_goes_on_and_ends_as_if_it_had_not_been(first, monkeypatch):
    trained, real = [], launch.train

    def stopping(recipe, data, folder, **rest):
        trained.append(folder.name)
        return real(recipe, data, folder, **rest) if len(trained) != 3 else "interrupted"

    monkeypatch.setattr(launch, "train", stopping)
    with pytest.raises(Stopped):
        ask(QUESTION, "stopped")
    done = [Path("runs/stopped") / name for name in trained[:2]]
    before = [(folder / "metrics.jsonl").read_bytes() for folder in done]
    _, results = ask(QUESTION, "stopped")
    assert len(trained) == len(set(trained)) + 1 == 7  # only the stopped one was begun twice
    assert all((f / "metrics.jsonl").read_bytes().startswith(b) for f, b in zip(done, before))
    assert [[run.bpb for run in result.runs] for result in results] == [
        [r.bpb for r in result.runs] for result in first[1]
    ]
    n_lines = [(folder / "metrics.jsonl").read_bytes() for folder in done]
    ask(QUESTION, "stopped")
    assert n_lines == [(folder / "metrics.jsonl").read_bytes() for folder in done]  # nothing is measured twice


def test_another_question_is_not_mixed_into_a_comparison(first):
    with pytest.raises(SettingError, match="another comparison"):
        ask(replace(QUESTION, seeds=3), "first")


def test_learned_positions_cannot_and_others_read_longer_texts(first):
    _, (baseline, _, learned) = first
    for run in learned.runs:
        assert run.lengths["1"] is not None and run.lengths["2"] is None and run.lengths["4"] is None
    assert all(run.lengths[str(k)] is not None for run in baseline.runs for k in LENGTHS)


def test_every_length_is_judged_on_the_same_targets(monkeypatch):
    monkeypatch.setattr(measure, "MOST_BYTES", 1 << 18)
    recipe = mini().override(*SMALL)
    data = build.dataset(recipe, lambda *told: None)
    recipe = recipe.override(f"model.vocab_size={data.tokenizer.vocab_size}", "model.position=none")
    model, bytes_of = GPT(recipe.model), byte_lengths(data.tokenizer.token_bytes)
    found = lengths(model, held_out(data), data, recipe)
    fp32 = Precision("fp32", torch.device("cpu"))
    T = recipe.model.context_length
    alone = evaluate(model, sequential(data.validation, T, 4), bytes_of, fp32)  # the small text is read to its end
    assert found["1"] == pytest.approx(alone["bpb"], rel=1e-6)
    for block in model.blocks:  # a model that never looks back cannot tell the lengths apart
        block.get_submodule("mixer.o_proj").get_parameter("weight").data.zero_()
    found = lengths(model, held_out(data), data, recipe)
    assert found["1"] == pytest.approx(found["2"], rel=1e-6) and found["1"] == pytest.approx(found["4"], rel=1e-6)


def test_tuning_tries_a_grid_on_another_seed_and_takes_the_best():
    design, _ = ask(replace(QUESTION, against=("model.mlp=gelu",), tune=True, seeds=1), "tuned")
    for entry in design.entries:
        assert entry.tried and len(entry.tried) == 3
        assert entry.tried[f"{entry.learning_rate:g}"] == min(v for v in entry.tried.values() if v is not None)
        run = Run.open(Path("runs/tuned") / f"{entry.name}-1337")
        assert run.recipe()["train"]["learning_rate"] == entry.learning_rate
    seeds = {Run.open(f).recipe()["train"]["seed"] for f in Path("runs/tuned").glob("tune-*")}
    assert seeds == {1338}


NORM = """
import torch
from glassformer.model.norm import Norm

class Halved(Norm):
    def build(self, config, kernels):
        return Module()

class Module(torch.nn.Module):
    def forward(self, x):
        return x / 2
"""


def test_other_code_or_other_text_behind_the_same_words_is_another_comparison(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "train", lambda *given, **named: "interrupted")
    code, text = tmp_path / "halved.py", tmp_path / "my.txt"
    code.write_text(NORM)
    text.write_text("A goat sat on a wall. " * 40)
    settings = (*SMALL, f"corpus.path={text}", "corpus=files")
    settings = tuple(word for word in settings if not word.startswith(("corpus.meg", "corpus.val", "corpus.work")))
    question = replace(QUESTION, settings=settings, against=(f"model.norm={code}",))
    for _ in range(2):
        with pytest.raises(Stopped):
            ask(question, "contents")
    code.write_text(NORM.replace("x / 2", "x / 3"))
    with pytest.raises(SettingError, match=r"halved\.py has changed since .*contents was begun; choose another --name"):
        ask(question, "contents")
    code.write_text(NORM)
    text.write_text("A goat sat on a chair. " * 40)
    with pytest.raises(SettingError, match="the text has changed since"):
        ask(question, "contents")

    def editing(*given, **named):
        code.write_text(NORM + "# edited while the baseline was trained")
        raise Diverged

    monkeypatch.setattr(launch, "train", editing)
    with pytest.raises(SettingError, match=r"halved\.py has changed since"):
        ask(question, "edited")


def made(label: str, bits: list[float | None]) -> Result:
    entry = Entry(label, label, {}, {}, 1, 1, 1, 1.0, 1.0)
    return Result(entry, [Measured(bpb, 1.0, None, {}) for bpb in bits])


def test_a_variant_that_diverged_is_said_to_have():
    results = [made("A", [2.0, 2.1, 1.9]), made("B", [2.0, None, 1.9]), made("C", [1.0, 1.11, 0.9])]
    judge(results)
    assert "B: diverged at 1 of 3" in results[1].verdict and results[1].difference is None
    assert re.match(r"C needs 49.* % fewer bits", results[2].verdict)


def test_a_learning_rate_that_explodes_ends_that_run_only():
    said: list[str] = []
    question = replace(QUESTION, against=("train.learning_rate=1e30 train.grad_clip=1e30 train.optimizer=adamw",), seeds=2)
    _, (_, wild) = ask(question, "wild", said)
    assert "diverged at" in wild.verdict
    assert any("stopped before the weights were touched" in line for line in said)


def test_a_resumed_run_that_diverges_ends_that_run_only(monkeypatch):
    question = replace(QUESTION, against=("train.learning_rate=1e30 train.grad_clip=1e30 train.optimizer=adamw",), seeds=1)
    real = launch._train
    monkeypatch.setattr(launch, "_train", lambda *given, **named: "interrupted")  # killed as it began
    with pytest.raises(Stopped):
        ask(question, "killed")
    monkeypatch.setattr(
        launch, "_train", lambda *given, **named: real(*given, **named) if "baseline" in given[2].name else "interrupted"
    )
    with pytest.raises(Stopped):
        ask(question, "killed")
    monkeypatch.setattr(launch, "_train", real)
    _, (_, wild) = ask(question, "killed")
    assert "diverged at 1 of 1" in wild.verdict


def test_the_command_line_prints_verdicts_and_one_page_without_links(first, monkeypatch, capsys):
    words = [*SMALL, "--against", "model.mlp=gelu", "--against", "model.position=learned", "--seeds", "2"]
    assert glass(monkeypatch, "compare", *words, "--name", "first") == 0  # the same question: nothing is trained
    out = capsys.readouterr().out
    assert "continuing" in out and "seeds" in out and "cannot" in out and "not tuned" in out
    page = Path("runs/first/compare.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "http" not in page
    for result in first[1]:
        assert result.entry.label in page
    assert page.count("glass train") == 6


def test_mistakes_are_one_sentence(monkeypatch, capsys):
    assert glass(monkeypatch, "compare") == 2
    assert "--against" in capsys.readouterr().err
    assert glass(monkeypatch, "compare", "--against", "model.mlp=gelu", "--budget", "money") == 2
    assert "steps, flops, time" in capsys.readouterr().err
    assert glass(monkeypatch, "compare", "--against", "model.mlp=gelu", "--name", "/tmp/x") == 2
    assert "below runs/" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"question": []}', "[]", "{", '"x"', b"\xff", "later"])
def test_a_damaged_design_is_one_sentence(text, first):
    if text == "later":
        text = Path("runs/first/compare.json").read_text().replace('"entries": [', '"entries": [3, ')
    folder = Path("runs/damaged")
    write_atomic(folder / "compare.json", text)
    with pytest.raises(GlassError, match=r"cannot be read \(.*\): delete") as caught:
        ask(QUESTION, "damaged")
    assert "\n" not in str(caught.value)


def test_the_words_of_a_run_give_its_recipe(first):
    design, _ = first
    recipe = design.recipe(mini(), design.entries[2], 1338)
    assert recipe.model.position.name == "learned" and recipe.train.seed == 1338 and recipe.train.sample_every == 0
    words = design.words(design.entries[2], 1338, "x")
    assert command(words).startswith("./glass train train.seed=1338 corpus.megabytes=0.1 ")
    assert said(words) == recipe


def said(words: list[str]) -> Recipe:
    """What `glass train` makes of its words, where they name no source."""
    assert words[0] == "train" and words[-4:-1] == ["--recipe", "mini", "--name"]
    return words_recipe("mini", words[1], words[2:-4])


def test_a_question_about_a_part_that_the_variant_replaces_is_answered():
    settings = (*SMALL, "model.mixer=sliding", "model.mixer.window=8", "train.optimizer.weight_decay=0.5")
    against = ("model.mixer=full", "tokenizer=byte", "train.optimizer=adamw", "train.precision=bf16")
    design, _ = ask(Question(None, "mini", settings, against, 1, "steps", None, False), "replaced")
    runs = [Run.open(Path("runs/replaced") / f"{entry.name}-1337") for entry in design.entries]
    recipes = [Recipe.parse(run.recipe()) for run in runs]
    assert [recipe.model.mixer.name for recipe in recipes] == ["sliding", "full", "sliding", "sliding", "sliding"]
    assert [recipe.tokenizer.name for recipe in recipes] == ["bpe", "bpe", "byte", "bpe", "bpe"]
    assert recipes[3].train.optimizer == mini().override("train.optimizer=adamw").train.optimizer
    assert [run.facts()["precision"]["chosen"] for run in runs] == ["fp32", "fp32", "fp32", "fp32", "bf16"]
    for run, recipe in zip(runs, recipes):
        printed = said(run.facts()["argv"])
        assert printed.override(f"model.vocab_size={recipe.model.vocab_size}") == recipe


def test_a_setting_without_effect_is_said_to_have_none():
    results = [made("A", [2.0, 2.1, 1.9]), made("B", [2.0, 2.1, 1.9]), made("C", [2.0, 2.1, 1.9 + 1e-9])]
    judge(results)
    assert "no effect" in results[1].verdict and "no effect" not in results[2].verdict
