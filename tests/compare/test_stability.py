"""The stability experiment: every case is an ordinary run, words follow from numbers, gradients are those of the paper."""

import math
from pathlib import Path

import pytest
import torch

from glassformer import pipeline
from glassformer.compare import stability as lab
from glassformer.compare.stability import Case, Outcome, cases, counting_loss, first_gradients, reading
from glassformer.compare.stability_view import write_page
from glassformer.presets import mini
from glassformer.runs import Run


@pytest.fixture(autouse=True, scope="module")
def workshop(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("stability"))
        small = [s for s in lab.SETTINGS if not s.startswith("corpus.megabytes")]
        patch.setattr(lab, "SETTINGS", (*small, "corpus.megabytes=0.1", "corpus.validation_fraction=0.5"))
        patch.setattr(lab, "fitting", lambda planned, data, minutes: 10)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(workshop):
    return pipeline.dataset(mini().override(*Case("pre", 2, False).settings(10)), lambda *told: None)


def test_cases_are_runs_and_the_page_has_them_all(data):
    said: list[str] = []
    folder = Path("runs/stability")
    outcomes = lab.stability(folder, 1, say=said.append, progress=lambda *told: None, depths=(1, 2))
    assert [o.case for o in outcomes] == cases((1, 2)) and len(outcomes) == 14
    for outcome in outcomes:
        run = Run.open(folder / outcome.case.name)
        assert [line["loss"] for line in run.metrics("train")] == outcome.losses and len(outcome.losses) == 10
        assert len(outcome.gradients) == outcome.case.n_layer
        assert run.facts()["argv"][-1] == f"stability/{outcome.case.name}"
    page = write_page(folder, outcomes).read_text()
    assert page.count("glass train") == 14 and "http" not in page
    before = (folder / "pre-1-flat/metrics.jsonl").read_bytes()
    again = lab.stability(folder, 1, say=said.append, progress=lambda *told: None, depths=(1, 2))
    assert again == outcomes and before == (folder / "pre-1-flat/metrics.jsonl").read_bytes()


def gradients(data, residual: str, init: str) -> list[float]:
    return first_gradients(mini().override(*Case(residual, 12, False, init).settings(10)), data)


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
    assert Outcome(Case("pre", 2, False), losses, [1.0, 1.0], 5.0).word == word


def test_the_reading_says_what_the_numbers_say():
    def outcome(case: Case) -> Outcome:
        bad = case.residual == "post" and case.n_layer == 24 and not case.warmup
        slope = [0.5, 1.0] if case.residual == "post" else [1.0, 0.4]
        return Outcome(case, [6.0] + [5.5 if bad else 3.0] * 9, slope, 5.0)

    said = "\n".join(reading([outcome(case) for case in cases()]))
    assert "pre-norm without warmup trains at 2, 6, 12, 24 layers." in said
    assert "post-norm without warmup trains at 2, 6, 12 layers, not at 24 (stuck)." in said
    assert "post-norm, 24 layers: largest at the top" in said and "pre-norm, 24 layers: largest at the bottom" in said
    assert "Warmup at 24 layers, post-norm: loss 2.500 lower." in said
