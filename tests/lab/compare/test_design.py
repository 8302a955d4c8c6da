"""The design of a comparison: which variants it takes, the recipe and the command of each, and what it warns of."""

import re
import shlex
from dataclasses import replace

import pytest

from glassformer.errors import SettingError
from glassformer.lab.compare.design import Design, Entry, Question, warnings
from glassformer.lab.compare.variants import combined, difference, variants
from glassformer.recipes.presets import Recipe, mini
from glassformer.recipes.words import recipe_of

QUESTION = Question(None, "mini", (), ("model.mlp=gelu",), 2, "steps", None, False)


def entry(label: str) -> Entry:
    return Entry(label, label, {}, {}, 6, 1, 1, 1.0, 1.0)


@pytest.mark.parametrize(
    ("against", "why"),
    [("model.n_embd=16", "changes nothing"), ("", "changes nothing"), ("corpus.seed=9", "same text"),
     ("train.steps=9", "budget decides"), ("train.seed=9", "comparison decides"), ("model.mxer=full", "did you mean"),
     ("train.eval_tokens=64", "judged on the same text"), ("model.mixer='sliding", "No closing quotation")],
)  # fmt: skip
def test_variants_that_compare_nothing_are_refused(against, why):
    with pytest.raises(SettingError, match=why):
        variants(mini().override("model.n_embd=16", "model.n_head=2"), (against,))


def test_names_of_variants_differ_and_are_folders():
    decays = ("train.optimizer.weight_decay=0.5", "train.optimizer.others.weight_decay=0.5")  # the last word is the same
    found = variants(mini(), ("model.mixer=sliding", *decays))
    names = [name for name, _, _ in found]
    assert len(set(names)) == 4 and all(re.fullmatch(r"[\w.,-]+", name) for name in names)


@pytest.mark.parametrize("again", ["model.mlp=gelu", "train.grad_clip=1 model.mlp=gelu", "model.mlp=relu model.mlp=gelu"])
def test_one_model_is_not_compared_twice(again):
    with pytest.raises(SettingError, match="'model.mlp=gelu' and .* are the same model"):
        variants(mini(), ("model.mlp=gelu", "model.norm=rmsnorm", again))


def designed(entries: list[Entry], seeds: int) -> Design:
    return Design(replace(QUESTION, tune=True, seeds=seeds), 1337, entries)


def test_a_baseline_tuned_to_the_end_of_the_grid_is_pointed_out():
    tried = {"0.1": 2.0, "0.2": 1.9, "0.3": 1.8}
    a, b = (replace(entry(name), tried=tried, learning_rate=rate) for name, rate in (("A", 0.1), ("B", 0.2)))
    for entries in ([a, b], [b, a]):
        (said,) = warnings(designed(entries, 5))
        assert said.startswith("A: the best learning rate is the lowest or highest that was tried")


def test_few_seeds_are_said_to_be_few_once():
    one = replace(entry("A"), tried={"0.1": 1.0, "0.2": 0.5, "0.3": 2.0}, learning_rate=0.2)
    said = [warnings(designed([one], seeds)) for seeds in (1, 2, 3)]
    assert said == [[], ["two seeds show only large differences"], []]


def planned(settings: str, against: str, precision: str = "fp32") -> Recipe:
    return combined(mini(), replace(QUESTION, settings=tuple(shlex.split(settings))), shlex.split(against), precision, 6)


@pytest.mark.parametrize(
    ("settings", "against"),
    [("", "tokenizer=byte"), ("corpus=python", "model.norm=rmsnorm"),
     ("model.mixer=sliding model.mixer.window=8", "model.mixer=full"),
     ("model.mixer=sliding model.mixer.window=8", "model.mixer.qk_norm=rmsnorm"),
     ("model.mixer=sliding model.mixer.qk_norm=rmsnorm", "model.mixer.qk_norm.eps=0.01"),
     ("train.optimizer.weight_decay=0.5", "train.optimizer=adamw"), ("train.seed=3", "model.mixers=sliding,full"),
     ("sample.prompt=7", "model.logit_softcap=30"), ("", "'train.mixture={\"village\":\"1>0.5\"}'"),
     ("model.mixers=full", "model.mixers=[]"), ("train.eval_every=2", "train.learning_rate=1e-4")],
)  # fmt: skip
def test_one_command_says_what_question_and_variant_say_one_after_the_other(settings, against):
    wanted = mini().override(*shlex.split(settings)).override(*shlex.split(against))
    recipe = planned(settings, against)
    one = replace(entry("x"), settings=difference(mini(), recipe))
    design = Design(QUESTION, 1, [one])
    words = design.words(one, 9, "x")
    assert words[0] == "train" and words[-4:] == ["--recipe", "mini", "--name", "x"]
    assert design.recipe(mini(), one, 9) == recipe_of("mini", words[1], words[2:-4]) == recipe.override("train.seed=9")
    for part in ("corpus", "tokenizer", "model", "sample"):
        assert getattr(recipe, part) == getattr(wanted, part)
    for part in ("optimizer", "schedule", "learning_rate", "mixture"):
        assert getattr(recipe.train, part) == getattr(wanted.train, part)
