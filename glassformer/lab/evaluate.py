"""Judging a trained model: on held-out text, beside n-grams that counted the same tokens and beside its untrained self.

Bits per byte of each for any corpus: the 1- to 5-gram are a scale to read a model's number on. And for the village four
shares more: stories are begun with the opening of a held-out story, continued by each writer, and read
back by the village's checker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import Copies, Score, prompts, score
from glassformer.data.batches import evaluation_starts, sequential
from glassformer.data.ngram import MOST_COUNTED, NGram, evenly, targets
from glassformer.data.shards import Dataset
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.model.gpt import GPT
from glassformer.recipes.build import device_of
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

MOST_TOKENS = 500_000
"""Held-out tokens read by each judge."""
ORDER = 5
STORY_TOKENS = 400
"""The longest continuation of an opening; village stories are shorter."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured of each writer ("model", "5-gram" ... "1-gram", "untrained"), and what to keep in mind."""

    rows: dict[str, dict[str, float]]
    longest: str
    """The name of the longest n-gram, which the model is compared with."""
    notes: list[str]


def judge(folder: Path, n_stories: int, tell: Callable[[str], None] = lambda doing: None) -> Evaluation:
    """Judge the newest checkpoint of a run; logs `score` lines and renews the report. `tell` hears of each stage."""
    run, saved = Run.open(folder), checkpoint.load(folder)
    recipe, data = Recipe.parse(saved.recipe), Dataset.open(run.facts()["dataset"]["folder"])
    device = device_of("auto")
    model = saved.model(device=device)
    untrained = GPT(model.config, seed=recipe.train.seed).to(device).eval()
    tell("counting every 5 tokens in a row of the training text")
    ngram = NGram.fit(evenly(data.train.tokens), order=ORDER, vocab_size=data.index.vocab_size)
    longest, notes = f"{ngram.order}-gram", []
    names = ["model", *(f"{k}-gram" for k in range(ngram.order, 0, -1)), "untrained"]
    rows: dict[str, dict[str, float]] = {who: {} for who in names}
    tell("reading held-out text")
    rows["model"]["bpb"] = _bits_per_byte(model, data, recipe)
    rows["untrained"]["bpb"] = _bits_per_byte(untrained, data, recipe)
    for k, bpb in enumerate(_ngram_bits_per_byte(ngram, data, recipe), start=1):
        rows[f"{k}-gram"]["bpb"] = bpb
    openings = prompts(n_stories, recipe.corpus.seed) if isinstance(recipe.corpus, Village) else []
    if any(len(data.tokenizer.encode(text)) >= recipe.model.context_length for text in openings):
        notes.append("no story score: the openings of the held-out stories do not fit into model.context_length")
        openings = []
    if openings and isinstance(recipe.corpus, Village):
        tell(f"writing and checking {n_stories} stories each")
        copies = Copies(document.text for document in recipe.corpus.documents() if document.split == "train")
        sampling = recipe.sample.override(f"max_new_tokens={STORY_TOKENS}")
        for who, writer in (("model", model), ("untrained", untrained)):
            texts = complete(writer, data.tokenizer, openings, sampling)
            rows[who] |= _shares(score([p + t for p, t in zip(openings, texts)], copies), n_stories)
        rows[longest] |= _shares(score(_ngram_stories(ngram, data, openings, sampling), copies), n_stories)
    for who, values in rows.items():
        run.log("score", saved.step, who=who, **values)
    if len(data.train) > MOST_COUNTED:
        notes.append(f"The n-grams have counted {MOST_COUNTED:,} of {len(data.train):,} tokens, evenly spread.")
    write_report(folder)
    return Evaluation(rows, longest, notes)


def _bits_per_byte(model: GPT, data: Dataset, recipe: Recipe) -> float:
    precision = Precision("fp32", next(model.parameters()).device)
    batches = sequential(data.validation, recipe.model.context_length, recipe.train.micro_batch_size, MOST_TOKENS)
    return evaluate(model, batches, byte_lengths(data.tokenizer.token_bytes), precision)["bpb"]


def _ngram_bits_per_byte(ngram: NGram, data: Dataset, recipe: Recipe) -> list[float]:
    """Of the 1-gram, the 2-gram ..., on the model's targets; they may look back across the edges of its windows."""
    T, tokens = recipe.model.context_length, data.validation.tokens
    starts = evaluation_starts(len(tokens), T, MOST_TOKENS).tolist()
    ids, places = targets(tokens, starts, T, ngram.order - 1)
    n_bytes = np.array([len(piece) for piece in data.tokenizer.token_bytes])[ids[places]].sum()
    return [float(nats[places].sum() / np.log(2) / n_bytes) for nats in ngram.nats_of_orders(ids)]


def _ngram_stories(ngram: NGram, data: Dataset, openings: list[str], sampling: SamplingConfig) -> list[str]:
    """The 5-gram writes at temperature 1: sharpening it makes it repeat itself."""
    rng, end = np.random.default_rng(sampling.seed), data.tokenizer.require_end_of_text()
    stories = []
    for prompt in openings:
        ids = ngram.sample(rng, [end, *data.tokenizer.encode(prompt)], sampling.max_new_tokens)
        stories.append(prompt + data.tokenizer.decode(ids[: ids.index(end)] if end in ids else ids))
    return stories


def _shares(result: Score, n_stories: int) -> dict[str, float]:
    return {
        "understood": result.understood, "consistent": result.consistent, "wholly_right": result.wholly_right,
        "original": result.original, "stories": n_stories,
    }  # fmt: skip
