"""How good is a trained model? It is measured on held-out text, beside n-grams that counted the same training text and
beside its own untrained weights.

For any corpus: bits per byte of each. The 1-gram to the 5-gram are the scale on which to read the model's number. For
the village also what a name costs (`names.py`), how often a true story is likelier than the same with one word changed
(`pairs.py`), and what the village's checker says of stories: each writer continues the openings of held-out stories
(`stories.py`).

None of these numbers gets better when a model says less. All models predict the same tokens; a name is paid for wherever
it stands; the texts of a pair are given; and what a story has to say is measured against village stories
(`corpora.village.score`). Only a tokenizer that drops text, as `word` does with rare words, leaves bits out of bits per
byte: then `dropped` says how much, and a note does.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import Judgement, judged, score
from glassformer.data.batches import sequential
from glassformer.data.ngram import MOST_COUNTED, NGram, evenly
from glassformer.data.shards import Dataset
from glassformer.data.spans import evaluation_spans
from glassformer.lab import names, pairs, stories
from glassformer.model.gpt import GPT
from glassformer.recipes.build import device_of
from glassformer.recipes.presets import Recipe
from glassformer.recipes.trained_on import read_by, trained_on
from glassformer.runs import checkpoint
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.runs.shipped import is_shipped
from glassformer.tokenizers import Tokenizer
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

MOST_TOKENS = 500_000
"""How many held-out tokens each model predicts, at most."""
ORDER = 5


@dataclass(frozen=True)
class Evaluation:
    """What was measured of each writer ("model", "5-gram" ... "1-gram", "untrained", "village")."""

    rows: dict[str, dict[str, float]]
    """By writer, then by measure ("bpb", "name_said", "understood", ...). "village" is how these stories really go on."""
    longest: str
    """The name of the longest n-gram, with which the model is compared."""
    stories: list[Judgement]
    """The model's stories, the best first; empty if stories cannot be judged."""
    notes: list[str]
    """What a reader should know about these numbers."""
    seconds: float
    """How long all of this took."""

    @property
    def ratio(self) -> float:
        """How many times the bits of the longest n-gram the model needs."""
        return self.rows["model"]["bpb"] / self.rows[self.longest]["bpb"]


def judge(
    folder: Path, n_stories: int, tell: Callable[[str], None] = lambda doing: None, most_tokens: int = MOST_TOKENS,
    source: str | None = None,
) -> Evaluation:  # fmt: skip
    """Measure a checkpoint, or the best of a run, on the run's text; logs a `score` line for each writer and rewrites the
    report.

    With a `source`, another text is measured, in the run's tokens, and nothing is logged, for the report is about the run's
    own; nor for a snapshot, what an extension has set aside, or a model that comes with the package. `tell` is called with
    what is being done. Each model predicts at most `most_tokens` held-out tokens. Raises GlassError.
    """
    begun = time.perf_counter()
    run, saved = Run.open(checkpoint.run_of(folder)[0]), checkpoint.load(folder, checkpoint.best)
    recipe = Recipe.parse(saved.recipe)
    logs = source is None and checkpoint.can_go_on(saved.folder) and not is_shipped(saved.folder)
    if source is None:
        data = trained_on(run, recipe)
    else:
        recipe, data = read_by(saved, recipe, source, lambda stage, *counts: tell(stage))
    device = device_of("auto")
    model = saved.model(device=device)
    untrained = GPT(model.config, seed=recipe.train.seed).to(device).eval()
    tell(f"counting every {ORDER} tokens in a row of the training text")
    ngram = NGram.fit(evenly(data.train.tokens), order=ORDER, vocab_size=data.index.vocab_size)
    longest, notes = f"{ngram.order}-gram", list[str]()
    who = ["model", *(f"{k}-gram" for k in range(ngram.order, 0, -1)), "untrained"]
    rows: dict[str, dict[str, float]] = {name: {} for name in who}
    models = {"model": model, "untrained": untrained}
    tell("reading held-out text")
    for name, one in models.items():
        rows[name]["bpb"] = _bits_per_byte(one, data, recipe, most_tokens)
    for k, bpb in enumerate(_ngram_bits_per_byte(ngram, data, recipe, most_tokens), start=1):
        rows[f"{k}-gram"]["bpb"] = bpb
    best: list[Judgement] = []
    if isinstance(recipe.corpus, Village):
        tell("reading held-out stories for their names, and the same with a word changed")
        notes += _names(rows, models, ngram, data, recipe)
        _pairs(rows, model, ngram, data, recipe)
        tell(f"writing and checking {n_stories} stories each")
        best = _stories(rows, models, ngram, data, recipe, n_stories)
        if not best:
            notes.append(
                "There is no story score: the openings of the held-out stories are longer than model.context_length."
            )
    for name, values in rows.items() if logs else ():
        run.log("score", saved.step, who=name, **values)
    if lost := dropped(data.validation.tokens[:most_tokens], data.tokenizer):
        notes.append(
            f"The tokenizer drops {lost:.1%} of the held-out tokens: bits per byte leave that text out, so they compare "
            "with these n-grams, but not with models that have another tokenizer."
        )
    if len(data.train) > MOST_COUNTED:
        notes.append(f"The n-grams have counted {MOST_COUNTED:,} of {len(data.train):,} tokens, evenly spread.")
    if logs:
        write_report(run.folder)
    return Evaluation(rows, longest, best, notes, time.perf_counter() - begun)


def dropped(ids: np.ndarray, tokenizer: Tokenizer) -> float:
    """The share of ids that stand for text which the tokenizer dropped (`<unk>`). Its bits are cheap and its bytes are not
    counted, so bits per byte would fall with every word that is dropped.

    >>> dropped(np.array(word_tokenizer.encode("Tom met Zoë")), word_tokenizer)
    0.333
    """
    empty = np.array([not piece for piece in tokenizer.token_bytes])
    if tokenizer.end_of_text is not None:
        empty[tokenizer.end_of_text] = False
    return float(empty[ids].mean())


def rank(judgement: Judgement) -> tuple[bool, bool, float]:
    """What makes one story better than another: right, complete, and the share of its claims and sentences that hold."""
    told, held = judgement.understood, judgement.consistent
    return judgement.right, judgement.complete, told[0] / told[1] + held[0] / held[1]


def _names(
    rows: dict[str, dict[str, float]], models: dict[str, GPT], ngram: NGram, data: Dataset, recipe: Recipe
) -> list[str]:  # fmt: skip
    """Add to `rows` what a name costs each of them; returns notes."""
    assert isinstance(recipe.corpus, Village)
    found = names.held_out_names(recipe.corpus.seed, data.tokenizer, recipe.model.context_length)
    if found is None:
        return ["What a name costs was not measured: the tokenizer does not give a text back exactly."]
    for name, model in models.items():
        rows[name] |= names.by_model(found, model)
    for k, costs in enumerate(names.by_ngrams(found, ngram), start=1):
        rows[f"{k}-gram"] |= costs
    return []


def _pairs(rows: dict[str, dict[str, float]], model: GPT, ngram: NGram, data: Dataset, recipe: Recipe) -> None:
    """Add to `rows` how often the model and the n-grams find a true story likelier than the same with a word changed."""
    assert isinstance(recipe.corpus, Village)
    found = pairs.held_out_pairs(recipe.corpus.seed, data.tokenizer, recipe.model.context_length)
    if found is None:
        return
    rows["model"] |= pairs.by_model(found, model)
    for k, shares in enumerate(pairs.by_ngrams(found, ngram), start=1):
        rows[f"{k}-gram"] |= shares


def _stories(
    rows: dict[str, dict[str, float]], models: dict[str, GPT], ngram: NGram, data: Dataset, recipe: Recipe, n: int
) -> list[Judgement]:  # fmt: skip
    """Add to `rows` the score of `n` stories of each writer; returns the model's stories, the best first."""
    told = stories.openings(recipe, data, n)
    if not told:
        return []
    known = stories.copies(data)
    written = {name: stories.by_model(model, data, recipe, told) for name, model in models.items()}
    written[f"{ngram.order}-gram"] = stories.by_ngram(ngram, data, recipe, told)
    written["village"] = told
    found = {name: judged(its, known) for name, its in written.items()}
    for name, its in found.items():
        rows.setdefault(name, {}).update(score(its)._asdict())
    return sorted(found["model"], key=rank, reverse=True)


def _bits_per_byte(model: GPT, data: Dataset, recipe: Recipe, most_tokens: int) -> float:
    precision = Precision("fp32", model.device)
    batches = sequential(data.validation, recipe.model.context_length, recipe.train.micro_batch_size, most_tokens)
    return evaluate(model, batches, byte_lengths(data.tokenizer.token_bytes), precision)["bpb"]


def _ngram_bits_per_byte(ngram: NGram, data: Dataset, recipe: Recipe, most_tokens: int) -> list[float]:
    """Of the 1-gram, the 2-gram ..., on the targets that the model predicts."""
    T, tokens = recipe.model.context_length, data.validation.tokens
    spans = evaluation_spans(np.asarray(data.validation.documents), T, most_tokens)
    return ngram.bits_per_byte_of_orders(tokens, spans.tolist(), data.tokenizer.token_bytes)
