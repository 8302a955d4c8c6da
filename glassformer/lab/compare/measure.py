"""What is measured of a trained run: bits per byte, texts longer than any in training, stories, speed.

Every model of a comparison is judged on the same held-out documents (`held_out`), in 32 bits, whatever its context length
and its vocabulary: windows chosen by either would be other text, and a paired test takes a difference of the text, which is
the same for every seed, for one of the models. (The evaluations during training do choose so; they draw the curves.)

All lengths predict the same tokens; a longer window only lets a token look further back. So a model that can use what it
has never seen (places beyond its training context) needs fewer bits at 4x, one that can ignore it as many, and one that is
confused by it more.
"""

import copy
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import prompts, score
from glassformer.data.batches import Batch, uniform
from glassformer.data.shards import Dataset
from glassformer.generate.text import complete
from glassformer.lab.evaluate import STORY_TOKENS
from glassformer.model.gpt import GPT
from glassformer.recipes.build import build_model
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import Precision

LENGTHS = (1, 2, 4)
"""Multiples of the training context."""
MOST_BYTES = 1 << 18
"""Of held-out text, read at each length: about as much as the 65,536 tokens of an evaluation in training."""
LEAST_DOCUMENTS = 16
"""No document gives more than this part of the text, where there are as many."""
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
    judged_bytes: int | None = None
    """Of held-out text; None where nothing was judged."""


def measured(folder: Path, data: Dataset, device: torch.device) -> Measured:
    """Read from the run, or measured now and logged in it (kind `compare`)."""
    run = Run.open(folder)
    names, kept = Measured.__dataclass_fields__, run.metrics("compare")
    if kept and names.keys() <= kept[-1].keys():  # a line without the bytes was judged on text that the model chose
        return Measured(**{name: kept[-1][name] for name in names})
    train = run.metrics("train")
    recipe, memory = Recipe.parse(run.recipe()), train[-1]["memory_gb"] if train and device.type == "cuda" else None
    speed = statistics.median(line["tokens_per_s"] for line in train) if train else 0.0
    if diverged(run):
        result = Measured(None, speed, memory, {str(k): None for k in LENGTHS})
    else:
        saved = checkpoint.load(folder)
        model = build_model(recipe, saved=saved).to(device).eval()
        ids = held_out(data)
        found, told = lengths(model, ids, data, recipe), stories(model, data, recipe)
        n_bytes = int(byte_lengths(data.tokenizer.token_bytes)[ids[1:]].sum())
        result = Measured(found["1"], speed, memory, found, *told, n_bytes)
    run.log("compare", train[-1]["step"] if train else 0, **asdict(result))
    return result


def diverged(run: Run) -> bool:
    """Whether training stopped at a number that is none."""
    return any(event["what"] == "nan" for event in run.metrics("event"))


def held_out(data: Dataset) -> np.ndarray:
    """(n,) int64: the ids of the held-out documents that judge; each but the first is predicted.

    The documents are drawn by their number and counted in bytes, about MOST_BYTES, so they are the same text for every
    tokenizer that gives back what it reads. From a long document only the beginning is taken, to the token that reaches
    the limit: there, and only there, two tokenizers may differ by less than a token. They come in the corpus's order,
    one after another as in training.
    """
    split, bytes_of = data.validation, np.array([len(piece) for piece in data.tokenizer.token_bytes])
    bounds, n = split.documents, len(split.documents) - 1
    share, left = MOST_BYTES // min(n, LEAST_DOCUMENTS), MOST_BYTES
    taken: dict[int, np.ndarray] = {}
    for i in np.argsort(uniform(0, 0, n), kind="stable").tolist():
        if left <= 0:
            break
        ids = split.tokens[bounds[i] : min(bounds[i + 1], bounds[i] + share + 2)].astype(np.int64)
        ends = bytes_of[ids].cumsum()
        taken[i] = ids[: int(np.searchsorted(ends, share)) + 1]
        left -= min(int(ends[-1]), share)
    return np.concatenate([taken[i] for i in sorted(taken)])


def lengths(model: GPT, ids: np.ndarray, data: Dataset, recipe: Recipe) -> dict[str, float | None]:
    """Bits per byte of `ids` (n,) read in windows of 1, 2 and 4 contexts: the same targets at each length."""
    T, device = recipe.model.context_length, next(model.parameters()).device
    bytes_of, found = byte_lengths(data.tokenizer.token_bytes), {}
    text = Batch.of(ids[None])  # one row, (1, n - 1)
    for k in LENGTHS:
        found[str(k)] = None
        if k == 1 or reaches(model, k * T):
            windows, rows = text.cut(k * T), max(1, recipe.train.micro_batch_size // k)
            parts = windows.parts(-(-len(windows.ids) // rows))
            bpb = evaluate(model, parts, bytes_of, Precision("fp32", device))["bpb"]
            found[str(k)] = bpb if math.isfinite(bpb) else None
    return found


@torch.no_grad()
def reaches(model: GPT, length: int) -> bool:
    """Whether the model can read `length` tokens at once: a table of places, or of pairs of them, ends.

    It reads them as a copy on the CPU: on a GPU an index out of range would end the process's use of it.
    """
    try:
        copy.deepcopy(model).cpu().eval().hidden(torch.zeros(1, length, dtype=torch.int64))
    except (IndexError, RuntimeError):  # of a lookup, and of shapes that do not go together
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
