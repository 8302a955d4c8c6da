"""What is measured of a trained run: bits per byte, texts longer than any in training, stories, speed.

All lengths read the same text and predict the same tokens; a longer window only lets a token look further back. So a
model that can use what it has never seen (places beyond its training context) needs fewer bits at 4x, one that can ignore
it as many, and one that is confused by it more.
"""

import copy
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import prompts, score
from glassformer.data.batches import Batch, sequential
from glassformer.data.shards import Dataset
from glassformer.generate.text import complete
from glassformer.judge import STORY_TOKENS
from glassformer.model.gpt import GPT
from glassformer.presets import Recipe
from glassformer.runs import Run
from glassformer.train import checkpoint
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

LENGTHS = (1, 2, 4)
"""Multiples of the training context."""
MOST_TOKENS = 65_536
"""Held-out tokens read at each length."""
STORIES = 8
"""Written after each run, where stories can be judged."""
TOKENS_FOR_STORIES = 1_000_000
"""Models that have read less than this write no sentences worth checking."""


@dataclass(frozen=True)
class Measured:
    """One run. Bits per byte are None where the model cannot, or where training diverged."""

    bpb: float | None
    tokens_per_s: float
    memory_gb: float | None
    lengths: dict[str, float | None]
    """Bits per byte by multiple of the training context."""
    understood: float | None = None
    """The share of sentences in its stories that the village's checker can read."""
    consistent: float | None = None
    """The share of claims in them that contradict nothing before them."""


def measured(folder: Path, data: Dataset, device: torch.device) -> Measured:
    """Read from the run, or measured now and logged in it (kind `compare`)."""
    run = Run.open(folder)
    if kept := run.metrics("compare"):
        return Measured(**{name: kept[-1][name] for name in Measured.__dataclass_fields__})
    train, evals = run.metrics("train"), run.metrics("eval")
    recipe, memory = Recipe.parse(run.recipe()), train[-1]["memory_gb"] if train and device.type == "cuda" else None
    speed = statistics.median(line["tokens_per_s"] for line in train) if train else 0.0
    if diverged(run):
        result = Measured(None, speed, memory, {str(k): None for k in LENGTHS})
    else:
        saved = checkpoint.load(folder)
        model = saved.model(device=device)
        bpb = evals[-1]["bpb"] if math.isfinite(evals[-1]["bpb"]) else None
        result = Measured(bpb, speed, memory, lengths(model, data, recipe), *stories(model, data, recipe))
    run.log("compare", train[-1]["step"] if train else 0, **asdict(result))
    return result


def diverged(run: Run) -> bool:
    """Whether training stopped at a number that is none."""
    return any(event["what"] == "nan" for event in run.metrics("event"))


def finished(run: Run) -> bool:
    """Whether nothing is left to train."""
    return diverged(run) or any(event["what"] == "done" for event in run.metrics("event"))


def lengths(model: GPT, data: Dataset, recipe: Recipe) -> dict[str, float | None]:
    """Bits per byte on held-out text in windows of 1, 2 and 4 contexts: the same targets at each length."""
    T, device = recipe.model.context_length, next(model.parameters()).device
    bytes_of, found = byte_lengths(data.tokenizer.token_bytes), {}
    rows = max(1, recipe.train.micro_batch_size // LENGTHS[-1])
    for k in LENGTHS:
        found[str(k)] = None
        if reaches(model, k * T):
            windows = sequential(data.validation, LENGTHS[-1] * T, rows, MOST_TOKENS)
            cut = (Batch(batch.ids.reshape(-1, k * T), batch.targets.reshape(-1, k * T)) for batch in windows)
            bpb = evaluate(model, cut, bytes_of, Precision("fp32", device))["bpb"]
            found[str(k)] = bpb if math.isfinite(bpb) else None
    return found


def reaches(model: GPT, length: int) -> bool:
    """Whether the scheme of positions has a place number `length`; a table of learned ones ends."""
    scheme = copy.deepcopy(model.position).cpu()
    try:
        scheme.add(torch.zeros(1, 1, model.config.n_embd), torch.tensor([length - 1]))
    except IndexError:
        return False
    return True


def stories(model: GPT, data: Dataset, recipe: Recipe) -> tuple[float, float] | tuple[None, None]:
    """Shares of understood sentences and of consistent claims in a few stories; None where they cannot be judged."""
    read = recipe.train.steps * recipe.train.batch_size * recipe.model.context_length
    if not isinstance(recipe.corpus, Village) or read < TOKENS_FOR_STORIES:
        return None, None
    openings = prompts(STORIES, recipe.corpus.seed)
    if any(len(data.tokenizer.encode(text)) >= recipe.model.context_length for text in openings):
        return None, None
    texts = complete(model, data.tokenizer, openings, recipe.sample.override(f"max_new_tokens={STORY_TOKENS}"))
    found = score(p + t for p, t in zip(openings, texts))
    return found.understood, found.consistent
