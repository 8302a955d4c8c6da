"""The stability experiment: every case is an ordinary run, words follow from numbers, gradients are those of the paper."""

import math
import os
import signal
from pathlib import Path

import pytest
import torch
from rich.console import Console

from glassformer.errors import SettingError, Stopped
from glassformer.lab import stability as lab
from glassformer.lab.compare import terminal as view
from glassformer.lab.compare.budget import STOPPED
from glassformer.lab.stability import INITS, NORMS, Case, Findings, Outcome, cases, counting_loss, first_gradients
from glassformer.lab.stability import terminal as stability_view
from glassformer.lab.stability.page import write_page
from glassformer.lab.stability.reading import counting, reading, to_rows, verdict
from glassformer.recipes import build
from glassformer.recipes.presets import mini
from glassformer.runs.run import Run
from glassformer.train.trainer import Trainer


@pytest.fixture(autouse=True, scope="module")
def little_work(workshop):
    """So little text, and so few steps, that all cases take seconds."""
    small = [s for s in lab.SETTINGS if not s.startswith("corpus.megabytes")]
    workshop.setattr(lab, "SETTINGS", (*small, "corpus.megabytes=0.1", "corpus.validation_fraction=0.5"))
    workshop.setattr(lab, "fitting", lambda planned, data, minutes: 10)


@pytest.fixture(scope="module")
def data(little_work):
    return build.dataset(mini().override(*Case("pre", 2, False).settings(10)), lambda *told: None)


def test_cases_are_runs_and_the_page_has_them_all(data):
    said: list[str] = []
    folder = Path("runs/stability")
    found = lab.stability(folder, 1, say=said.append, progress=lambda *told: None, depths=(1, 2))
    assert [o.case for o in found.outcomes] == cases((1, 2)) and len(found.outcomes) == 2 * 2 * 2 * 3 + 3
    for outcome in found.outcomes:
        run = Run.open(folder / outcome.case.name)
        lines = run.metrics("train")
        assert [line["loss"] for line in lines] == outcome.losses and len(outcome.losses) == 10
        assert [line["lr"] < 0.003 for line in lines] == [outcome.case.warmup] * 5 + [False] * 5
        assert run.facts()["argv"][-1] == f"stability/{outcome.case.name}"
    assert {key: len(norms) for key, norms in found.gradients.items()} == {(r, i): 4 for r in NORMS for i in INITS}
    page = write_page(folder, found).read_text()
    assert page.count("glass train") == len(found.outcomes) and "http" not in page
    assert "10 steps are too few to show anything" in page  # and ten steps do not
    before = (folder / "pre-1-flat-1/metrics.jsonl").read_bytes()
    again = lab.stability(folder, 1, say=said.append, progress=lambda *told: None, depths=(1, 2))
    assert again == found and before == (folder / "pre-1-flat-1/metrics.jsonl").read_bytes()


def test_a_stopped_experiment_goes_on_and_ends_as_if_it_had_not_been(data, monkeypatch):
    """Ctrl-C in the third run: nothing after it is trained, and nothing is told of what was cut."""
    whole = lab.stability(Path("runs/whole"), 1, say=lambda line: None, progress=lambda *told: None, depths=(1,))
    trained, real, folder = [], Trainer.update, Path("runs/cut")

    def stopping(trainer, step):
        if step == 0:
            trained.append(trainer.run_folder.folder.name)
        if step == 3 and len(trained) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(trainer, step)

    monkeypatch.setattr(Trainer, "update", stopping)
    said: list[str] = []
    with pytest.raises(Stopped):
        lab.stability(folder, 1, say=said.append, progress=lambda *told: None, depths=(1,))
    assert trained == [case.name for case in cases((1,))[:3]] and len(said) == 3
    again = lab.stability(folder, 9, say=said.append, progress=lambda *told: None, depths=(1,))
    assert again == whole and len(trained) == len(whole.outcomes)
    assert any(f"continuing {folder} with its 10 steps" in line and "another --name" in line for line in said)


def test_a_name_outside_of_runs_is_refused_in_a_sentence(capsys):
    for name in ("/tmp/elsewhere", "../elsewhere", "."):
        with pytest.raises(SettingError, match="below runs/"):
            stability_view.run(Console(), 1, name, None)
        with pytest.raises(SettingError, match="below runs/"):
            view.run(Console(), None, None, "mini", ["model.mlp=gelu"], 1, "steps", None, False, name, None)


def test_fault_25_a_stopped_experiment_says_that_it_goes_on_and_exits_with_130(glass, monkeypatch):
    def stopped(*given, **named):
        raise Stopped(STOPPED)

    monkeypatch.setattr(stability_view, "stability", stopped)
    code, _, err = glass("stability", "--name", "stopped")
    assert code == 130 and "is saved, and the same command continues" in err


def test_runs_with_and_without_warmup_are_pairs(data):
    """The same first weights and the same first batch: the first loss is the same, whatever the rate."""
    folder = Path("runs/pairs")
    for seed in (1, 2):
        cold, warm = (
            lab.losses(
                Case("post", 2, warmup, seed=seed), 4, folder, data, say=lambda line: None, progress=lambda *told: None
            )
            for warmup in (False, True)
        )
        assert cold[0] == warm[0] and cold[-1] != warm[-1]


def gradients(data, residual: str, init: str) -> list[float]:
    return first_gradients(mini().override(*Case(residual, 24, False, init).settings(10)), data)


def test_post_norm_pulls_hardest_at_the_top_and_pre_norm_does_not(data):
    """Xiong et al., 2020, figure 3 and theorem 1."""
    post, pre = gradients(data, "post", "flat"), gradients(data, "pre", "flat")
    assert post[-1] > 1.2 * post[0] and pre[-1] < 0.6 * pre[0]


def test_blocks_that_begin_as_the_identity_have_a_level_gradient(data):
    zero = gradients(data, "pre", "zero")
    assert max(zero) < 1.2 * min(zero)


def test_counting_is_the_entropy_of_the_tokens(data):
    ids = torch.from_numpy(data.train.tokens[:].astype("int64"))
    shares = torch.bincount(ids).double() / len(ids)
    assert counting_loss(data) == pytest.approx(torch.distributions.Categorical(shares).entropy().item(), rel=1e-9)


@pytest.mark.parametrize(
    ("losses", "word"),
    [([6.0] + [4.0] * 19, "trains"), ([6.0] + [5.0] * 19, "stuck"), ([6.0] + [7.0] * 19, "diverged"),
     ([6.0, 5.0, math.nan], "diverged"), ([math.nan], "diverged")],
)  # fmt: skip
def test_words_follow_from_the_losses(losses, word):
    assert Outcome(Case("pre", 2, False), losses, 5.0).word == word


def findings(stuck=lambda case: False, end: float = 3.0) -> Findings:
    """Cases that end at `end`, by chance a little above it; those that are `stuck` at 5.5, counting at 5."""

    def outcome(case: Case) -> Outcome:
        last = 5.5 if stuck(case) else end
        return Outcome(case, [6.0] + [last + 0.01 * case.seed * (2 if case.warmup else 1)] * 9, 5.0)

    slopes = {"pre": [1.0, 0.4], "post": [0.5, 1.0]}
    return Findings(10, [outcome(case) for case in cases()], {(r, i): slopes[r] for r in NORMS for i in INITS})


def post_without_warmup(case: Case) -> bool:
    return case.residual == "post" and case.n_layer == 12 and case.init == "flat" and not case.warmup


def test_the_reading_says_what_the_numbers_say():
    found = findings(post_without_warmup)
    said = "\n".join(reading(found))
    assert "pre-norm without warmup trains at 2, 6, 12 layers." in said
    assert "post-norm without warmup trains at 2, 6 layers, not at 12 (stuck)." in said
    assert "post-norm, 2 layers: largest in the last blocks" in said and "pre-norm, 2 layers: largest in the first" in said
    assert "Warmup, 12 layers, post-norm: changes the loss by -2.48 nats (98 % interval -2.52 to -2.44, 3 seeds)." in said
    assert "Warmup, 12 layers, pre-norm: no difference shown (98 % interval -0.02 to +0.06, 3 seeds)." in said
    assert "flat stuck (5.51), gpt2 trains (3.01)" in said
    assert "At 12 layers post-norm needs warmup: with each of 3 seeds" in verdict(found)
    assert "(3.04 nats per token) and does not without (5.52, stuck)" in verdict(found)
    row = next(row for row in to_rows(found) if row[:4] == ["post", "12", "no", "flat"])
    assert row[4:] == ["stuck", "5.520", "5.510", "5.530"] and "over the last tenth" in counting(found)


def test_seeds_that_disagree_are_counted_and_decide_nothing():
    found = findings(lambda case: post_without_warmup(case) and case.seed != 2)
    assert "not at 12 (stuck 2, trains 1)." in "\n".join(reading(found))
    assert "In 10 steps there was no depth at which warmup decided" in verdict(found)


def test_a_difference_that_may_be_chance_decides_nothing():
    found = findings(post_without_warmup)
    ends = {1: 4.5, 2: 4.6, 3: 4.94}
    for i, o in enumerate(found.outcomes):
        if (o.case.residual, o.case.n_layer, o.case.warmup) == ("post", 12, True):
            found.outcomes[i] = Outcome(o.case, [6.0] + [ends[o.case.seed]] * 9, 5.0)
    assert all(o.word == "trains" for o in found.cell("post", 12, True))
    assert "In 10 steps there was no depth at which warmup decided" in verdict(found)


def test_a_run_too_short_to_tell_says_so():
    assert "not even pre-norm trains at 12 layers" in verdict(findings(end=5.2))


def test_a_diverged_run_is_not_compared():
    found = findings()
    broken = [Outcome(o.case, [6.0, math.nan], 5.0) if post_without_warmup(o.case) else o for o in found.outcomes]
    said = "\n".join(reading(Findings(10, broken, found.gradients)))
    assert "Warmup, 12 layers, post-norm" not in said and "not at 12 (diverged)" in said
