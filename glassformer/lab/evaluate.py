"""How good is a trained model? It is measured on held-out text, beside n-grams that counted the same training text and
beside its own untrained weights.

For any corpus: bits per byte of each. The 1-gram to the 5-gram are the scale on which to read the model's number. For
the village also four shares: each writer continues the openings of held-out stories, and the village's checker reads
the stories back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import Copies, score
from glassformer.data.batches import evaluation_starts, sequential
from glassformer.data.ngram import MOST_COUNTED, NGram, evenly
from glassformer.data.shards import Dataset
from glassformer.lab import stories
from glassformer.model.gpt import GPT
from glassformer.recipes.build import device_of
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

MOST_TOKENS = 500_000
"""How many held-out tokens each model predicts, at most."""
ORDER = 5


@dataclass(frozen=True)
class Evaluation:
    """What was measured of each writer ("model", "5-gram" ... "1-gram", "untrained")."""

    rows: dict[str, dict[str, float]]
    """By writer, then by measure ("bpb", "understood", ...)."""
    longest: str
    """The name of the longest n-gram, with which the model is compared."""
    notes: list[str]
    """What a reader should know about these numbers."""

    @property
    def saved(self) -> float:
        """The share of bits that the model needs less than the longest n-gram; negative if it needs more."""
        return 1 - self.rows["model"]["bpb"] / self.rows[self.longest]["bpb"]


def judge(folder: Path, n_stories: int, tell: Callable[[str], None] = lambda doing: None) -> Evaluation:
    """Measure the newest checkpoint of a run; logs a `score` line for each writer and rewrites the report.

    `tell` is called with what is being done. Raises GlassError.
    """
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
    openings = stories.openings(recipe, data, n_stories)
    if isinstance(recipe.corpus, Village) and not openings:
        notes.append(
            "There is no story score: the openings of the held-out stories are longer than model.context_length."
        )
    if openings:
        tell(f"writing and checking {n_stories} stories each")
        copies = Copies(document.text for document in recipe.corpus.documents() if document.split == "train")
        for who, writer in (("model", model), ("untrained", untrained)):
            rows[who] |= score(stories.by_model(writer, data, recipe, openings), copies)._asdict()
        rows[longest] |= score(stories.by_ngram(ngram, data, recipe, openings), copies)._asdict()
    for who, values in rows.items():
        run.log("score", saved.step, who=who, **values)
    if len(data.train) > MOST_COUNTED:
        notes.append(f"The n-grams have counted {MOST_COUNTED:,} of {len(data.train):,} tokens, evenly spread.")
    write_report(folder)
    return Evaluation(rows, longest, notes)


def _bits_per_byte(model: GPT, data: Dataset, recipe: Recipe) -> float:
    precision = Precision("fp32", model.device)
    batches = sequential(data.validation, recipe.model.context_length, recipe.train.micro_batch_size, MOST_TOKENS)
    return evaluate(model, batches, byte_lengths(data.tokenizer.token_bytes), precision)["bpb"]


def _ngram_bits_per_byte(ngram: NGram, data: Dataset, recipe: Recipe) -> list[float]:
    """Of the 1-gram, the 2-gram ..., on the targets that the model predicts."""
    T, tokens = recipe.model.context_length, data.validation.tokens
    starts = evaluation_starts(len(tokens), T, MOST_TOKENS).tolist()
    return ngram.bits_per_byte_of_orders(tokens, starts, T, data.tokenizer.token_bytes)
