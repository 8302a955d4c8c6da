"""What is shown of a model's stories: every piece of them, what is wrong and why, on any terminal."""

import io
import re
import sys
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from glassformer import cli
from glassformer.corpora.village.contradictions import KINDS, plant_at
from glassformer.corpora.village.score import Written, judged, opened, score
from glassformer.corpora.village.story import tell
from glassformer.lab import names, stories
from glassformer.lab.evaluate import Evaluation, judge, rank
from glassformer.lab.stories import interval, marks
from glassformer.lab.terminal import show_stories, times
from glassformer.system.blank_lines import without_blank_runs

N = 10
OPENED = opened(N)
HOSTILE = "He said the the way home.\x1b[2J And in the way of it.\n\n\n\n\n\n\n\nThe end was was."


def written(i: int) -> Written:
    """A real continuation with one contradiction in it."""
    story, opening = tell(0, "validation", i), OPENED[i].opening
    planted = [p.text for k in range(len(KINDS)) if (p := plant_at(story, KINDS[(i + k) % len(KINDS)], Random(i)))]
    text = next(text for text in planted if text.startswith(opening))
    return Written(opening, text[len(opening) :], True)


WRITTEN = [written(i) for i in range(N - 2)] + [
    Written(OPENED[N - 2].opening, f" {HOSTILE}", False),
    Written(OPENED[N - 1].opening, f" {OPENED[N - 1].opening} Nobody laughed at the", False),
]
JUDGED = judged(WRITTEN)


def evaluation(judged):
    rows = {"model": {"bpb": 1.2, **score(judged)._asdict()}, "5-gram": {"bpb": 0.4}}
    return Evaluation(rows, "5-gram", sorted(judged, key=rank, reverse=True), [], 1.0)


FOUND = evaluation(JUDGED)


def shown(width: int, found: Evaluation = FOUND, **settings) -> str:
    out = io.StringIO()
    show_stories(found, Console(file=out, width=width, highlight=False, **settings))
    return out.getvalue()


def test_the_pieces_of_a_story_are_the_story():
    for judgement in JUDGED:
        text, pieces = judgement.written.opening + judgement.written.continuation, marks(judgement)
        assert "".join(mark.text for mark in pieces) == text
        assert pieces[0].kind == "given" and all(bool(mark.why) == (mark.kind == "wrong") for mark in pieces)
        wrong = [mark.text for mark in pieces if mark.kind == "wrong"]
        assert wrong == [v.sentence for v in judgement.sentences if v.contradictions]
    kinds = {mark.kind for judgement in JUDGED for mark in marks(judgement)}
    assert kinds == {"given", "right", "wrong", "unread", "again"}
    assert [mark.kind for mark in marks(JUDGED[N - 2])] == ["given", "right", "unread"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_fault_24_what_is_wrong_is_marked_without_colour_and_explained(width):
    out = shown(width)
    best = FOUND.stories[0]
    [wrong] = [mark for mark in marks(best) if mark.kind == "wrong"]
    flat = " ".join(re.sub("[│╭╮╰╯─]", " ", out).split())
    assert f"[1: {wrong.text}]" in flat and f"1: {'; '.join(wrong.why)}" in flat
    assert "\x1b" not in out and "[?: " in flat and "no. 3 of 10" in flat and "the worst of 10" in flat
    assert all(len(line) <= width for line in out.splitlines())


def test_fault_24_it_is_coloured_on_a_terminal_that_has_colours():
    coloured = shown(80, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[1;31m[1: " in coloured and re.sub("\x1b\\[[0-9;]*m", "", coloured) == shown(80)


def test_fault_24_a_story_cannot_command_the_terminal_or_fill_it():
    out = shown(80, evaluation([JUDGED[N - 2]]), force_terminal=True, color_system="standard")
    assert "\x1b[2J" not in out and "\\x1b[2J" in out and "(7 blank lines)" in out


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\n\nb", None), ("a\n\n\nb", None), ("a\n\n\n\n\nb", "a\n\n(4 blank lines)\n\nb"),
     ("a\n \t\n  \n\n\n    b", "a\n\n(4 blank lines)\n\n    b"), ("", None), ("\n" * 41, "\n\n(40 blank lines)\n\n")],
)  # fmt: skip
def test_fault_24_runs_of_blank_lines_are_counted(text, expected):
    assert without_blank_runs(text) == (text if expected is None else expected)


def test_intervals_of_shares():
    """Newcombe (1998), table I: Wilson's interval."""
    for share, n, low, high in ((81 / 263, 263, 0.2553, 0.3662), (15 / 148, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert interval(share, n) == pytest.approx((low, high), abs=1e-4)


def test_fault_24_more_bits_are_told_as_times():
    assert times(3.59) == "3.6 times as many bits" and times(1.01) == "about as many bits"


@pytest.fixture(scope="module")
def run(workshop):
    """A run of a tiny model of the village, whose openings fit into its context."""
    settings = (
        "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=600",
        "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=128", "train.steps=2",
        "train.micro_batch_size=2", "train.precision=fp32", "train.eval_tokens=256", "train.sample_every=0",
    )  # fmt: skip
    workshop.setattr(stories, "MEASURED", 2)
    workshop.setattr(names, "STORIES", 4)
    workshop.setattr(sys, "argv", ["glass", "train", "village", *settings, "--name", "tiny"])
    with pytest.raises(SystemExit, match="^0$"):
        cli.main()
    return Path("runs/tiny").resolve()


def test_fault_21_an_untrained_model_is_worth_nothing(run, monkeypatch):
    monkeypatch.chdir(run.parents[1])
    found = judge(run, 3, most_tokens=2000)
    for who in ("model", "untrained"):
        assert all(found.rows[who][share] < 0.1 for share in ("understood", "consistent", "complete", "right"))
    assert all(found.rows["village"][share] == 1 for share in ("understood", "consistent", "complete", "right"))
    assert found.rows["village"]["sentences"] >= 8 and found.rows["village"]["claims"] >= 20
    assert {"name_said", "name_unsaid"} <= found.rows["model"].keys() & found.rows["1-gram"].keys()
    assert len(found.stories) == 3 and found.ratio > 1 and found.seconds > 0


def test_fault_24_eval_ends_with_what_to_do_next(run, glass, monkeypatch):
    monkeypatch.chdir(run.parents[1])
    code, out, _ = glass("eval", run, "--stories", "2")
    flat = " ".join(out.split())
    assert code == 0 and "times as many bits" in flat and "nats per name" in flat and "95 % interval" in flat
    assert "no. 1 of 2" in flat and "Next:" in out and f"report {run}" in out and f"extend {run} --minutes 10" in out
    page = (run / "report.html").read_text()
    assert "times as many as a 5-gram" in page and "already said" in page and "wholly" not in page


@pytest.mark.slow
def test_fault_06_a_trained_model_is_clearly_above_an_untrained_one(tmp_path, monkeypatch):
    """The demo's model after 400 steps, a minute or two of training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stories, "MEASURED", 100)
    monkeypatch.setattr(names, "STORIES", 100)
    settings = ("corpus.megabytes=5", "train.steps=400", "train.sample_every=0", "train.eval_every=200")
    monkeypatch.setattr(sys, "argv", ["glass", "train", "village", *settings, "--name", "scored"])
    with pytest.raises(SystemExit, match="^0$"):
        cli.main()
    found = judge(Path("runs/scored"), 24, most_tokens=20_000)
    model, untrained = found.rows["model"], found.rows["untrained"]
    assert model["understood"] > 0.15 and untrained["understood"] < 0.02 and untrained["consistent"] < 0.02
    assert model["consistent"] > 0.05 and model["claims"] > 3 > untrained["claims"]
    assert untrained["complete"] == untrained["right"] == 0
    assert all(model[kind] < untrained[kind] - 2 for kind in ("name_said", "name_unsaid"))
