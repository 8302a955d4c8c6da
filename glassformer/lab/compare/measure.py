"""What is measured of a trained run: bits per byte, texts longer than any in training, stories, speed.

Every model of a comparison is judged on the same held-out documents (`held_out`), in 32 bits, whatever its context
length and its vocabulary. A choice that depends on these would hold other text for each model, and a paired test would
take that difference of the texts, which is the same at every seed, for a difference of the models. (The evaluations
during training do depend on them; they only draw the curves.)

Each document is read from its beginning. The same tokens are predicted at every length; in a longer row a token can look
further back. So a model that can use positions beyond its training context needs fewer bits at 4x, one that ignores them
needs as many, and one that is confused by them needs more. Documents that fit into a row tell nothing of this.
"""

import copy
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import judged, score
from glassformer.data.batches import sequential, uniform
from glassformer.data.shards import Dataset, Split, Tokens
from glassformer.lab import names, stories
from glassformer.lab.evaluate import dropped
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
"""Bytes of held-out text that are read at each length: about as much as the 65,536 tokens of an evaluation in
training."""
LEAST_DOCUMENTS = 16
"""If there are so many documents, none of them gives more than its equal part of the text."""
STORIES = 8
"""Stories that each run writes, if stories can be judged."""
TOKENS_FOR_STORIES = 1_000_000
"""Models that have read fewer tokens than this write no sentences worth checking."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one run. Bits per byte are None if training diverged or the model cannot read that far."""

    bpb: float | None
    tokens_per_s: float
    memory_gb: float | None
    lengths: dict[str, float | None]
    """Bits per byte by multiple of the training context ("1", "2", "4")."""
    name_said: float | None = None
    """Nats per name that a held-out village story has said already."""
    name_unsaid: float | None = None
    """Nats per name that it has not said yet."""
    understood: float | None = None
    """The share of sentences in its stories that the village's checker can read, as `corpora.village.score` counts."""
    consistent: float | None = None
    """The share of claims in its stories that contradict nothing that was said before, as counted there."""
    judged_bytes: int | None = None
    """Bytes of held-out text that were predicted; None if training diverged."""
    dropped: float = 0.0
    """The share of the held-out tokens that stand for text which the tokenizer dropped."""


def measured(folder: Path, data: Dataset, device: torch.device) -> Measured:
    """The measurements in the run's log (kind `compare`); if there are none, they are made now and logged."""
    run = Run.open(folder)
    wanted, kept = Measured.__dataclass_fields__, run.metrics("compare")
    if kept and wanted.keys() <= kept[-1].keys():  # an older line was judged on other text
        return Measured(**{name: kept[-1][name] for name in wanted})
    train = run.metrics("train")
    recipe, memory = Recipe.parse(run.recipe()), train[-1]["memory_gb"] if train and device.type == "cuda" else None
    speed = statistics.median(line["tokens_per_s"] for line in train) if train else 0.0
    if diverged(run):
        result = Measured(None, speed, memory, {str(k): None for k in LENGTHS})
    else:
        saved = checkpoint.load(folder)
        model = build_model(recipe, saved=saved).to(device).eval()
        text = held_out(data)
        found, ids = lengths(model, text, data, recipe), text.tokens[:]
        n_bytes = int(byte_lengths(data.tokenizer.token_bytes)[ids[1:]].sum())
        village = name_nats(model, data, recipe) | story_shares(model, data, recipe)
        lost = dropped(ids, data.tokenizer)
        result = Measured(found["1"], speed, memory, found, **village, judged_bytes=n_bytes, dropped=lost)
    run.log("compare", train[-1]["step"] if train else 0, **asdict(result))
    return result


def diverged(run: Run) -> bool:
    """Whether training stopped because a value was not a finite number."""
    return any(event["what"] == "nan" for event in run.metrics("event"))


def held_out(data: Dataset) -> Split:
    """The held-out documents on which models are judged; each id but the first is predicted.

    Documents are drawn by their number and counted in bytes, about MOST_BYTES in all, so they are the same text for
    every tokenizer that decodes to the text it encoded. Of a long document only the beginning is taken, up to the token
    that reaches the limit; there two tokenizers may differ by less than a token. The documents stand in the corpus's
    order, one after another as in training.
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
    texts = [taken[i] for i in sorted(taken)]
    ids, ends = np.concatenate(texts), np.cumsum([0, *map(len, texts)])
    tokens = Tokens([ids], len(ids), data.index.vocab_size, split.where)
    return Split(split.name, tokens, ends, np.zeros(len(texts), np.uint8), split.separator)


def lengths(model: GPT, text: Split, data: Dataset, recipe: Recipe) -> dict[str, float | None]:
    """Bits per byte of the documents of `text`, read in rows of 1, 2 and 4 training contexts; the targets are the same
    each time."""
    T, device = recipe.model.context_length, model.device
    bytes_of, found = byte_lengths(data.tokenizer.token_bytes), {}
    for k in LENGTHS:
        found[str(k)] = None
        if k == 1 or reaches(model, k * T):
            rows = sequential(text, k * T, max(1, recipe.train.micro_batch_size // k))
            bpb = evaluate(model, rows, bytes_of, Precision("fp32", device))["bpb"]
            found[str(k)] = bpb if math.isfinite(bpb) else None
    return found


@torch.no_grad()
def reaches(model: GPT, length: int) -> bool:
    """Whether the model can read `length` tokens at once. A model with a table of positions cannot read beyond its end.

    This is tried with a copy on the CPU, because on a GPU an index out of range makes the GPU unusable for the process.
    """
    try:
        copy.deepcopy(model).cpu().eval().hidden(torch.zeros(1, length, dtype=torch.int64))
    except (IndexError, RuntimeError):  # a lookup out of range, or shapes that do not match
        return False
    return True


def name_nats(model: GPT, data: Dataset, recipe: Recipe) -> dict[str, float]:
    """What a name costs the model; empty if the corpus is not the village."""
    if not isinstance(recipe.corpus, Village):
        return {}
    found = names.held_out_names(recipe.corpus.seed, data.tokenizer, recipe.model.context_length)
    return {} if found is None else names.by_model(found, model)


def story_shares(model: GPT, data: Dataset, recipe: Recipe) -> dict[str, float]:
    """Shares of understood sentences and of consistent claims in a few stories; empty if stories cannot be judged. Copies
    of training stories are not looked for: at one or two readings of the text there are none."""
    read = recipe.train.steps * recipe.train.mean_batch_size * recipe.model.context_length
    told = stories.openings(recipe, data, STORIES) if read >= TOKENS_FOR_STORIES else []
    if not told:
        return {}
    found = score(judged(stories.by_model(model, data, recipe, told)))
    return {"understood": found.understood, "consistent": found.consistent}
