"""Sizes: a vocabulary, a model and a number of steps that fit a text, where the user has not chosen any.

A model that is too large for its text, or is trained on it for too long, learns the text by heart: the loss on held-out
text falls, turns and rises. So the default recipe becomes another for a smaller text: it loses its pointer and its n-grams,
reads windows that begin anywhere instead of whole documents, for a small text is one document or a few, and learns at the
rate and with the schedule with which these sizes were found. The first two rows were found by training on 35 and 350 kB of
one book (LOG.md, "Texts of one's own"), the third is a guess. A text of LARGE bytes or more, and the village, which is
endless, get the recipe as it is. Settings that the user has given are never changed.
"""

from collections.abc import Collection
from typing import NamedTuple

from glassformer.corpora import Corpus
from glassformer.corpora.village import Village
from glassformer.recipes.presets import Recipe


class Size(NamedTuple):
    """What fits texts of up to `bytes`."""

    bytes: float
    vocab_size: int
    layers: int
    heads: int
    width: int
    context: int
    rows: int
    """Rows in a batch."""
    dropout: float
    epochs: float
    """How often the text is read at most."""


SIZES = [
    Size(1e5, 300, 2, 4, 128, 128, 8, 0.2, 30),
    Size(1e6, 512, 4, 4, 128, 128, 16, 0.1, 12),
    Size(1e7, 2048, 4, 4, 192, 256, 16, 0.1, 8),
]
"""By the size of the text."""
LARGE = SIZES[-1].bytes
CHARACTERS = 2e6
"""Bytes of text up to which a speedrun reads characters. It reads the same 120,000 of them whatever the size."""
SHAPE = {"model.n_layer", "model.n_head", "model.n_embd"}
EVALUATIONS = 25
"""Evaluations in a run on a text of one's own, so that the lowest held-out loss is seen closely."""
PATIENCE = 5
"""Evaluations without a new lowest loss after which such a run stops."""


def told(settings: Collection[str]) -> set[str]:
    """The paths of the settings that the user has given, as in `model.n_layer=6`."""
    return {setting.partition("=")[0].strip() for setting in settings}


def with_vocabulary(recipe: Recipe, given: Collection[str]) -> Recipe:
    """The recipe with a vocabulary that fits its text; to be called before the text is prepared."""
    size = None if isinstance(recipe.corpus, Village) else _size(recipe.corpus.size())
    given_one = any(path.partition(".")[0] == "tokenizer" for path in given)
    if size is None or recipe.tokenizer.name != "bpe" or given_one:
        return recipe
    return recipe.override(f"tokenizer.vocab_size={size.vocab_size}")


def speedrun(kind: Corpus) -> str:
    """The recipe that learns most of a text in the first seconds: of characters for a small text, else of tokens."""
    size = None if isinstance(kind, Village) else kind.size()
    return "speedrun_tokens" if size is None or size > CHARACTERS else "speedrun"


def fitted(recipe: Recipe, n_bytes: int, n_tokens: int, given: Collection[str]) -> tuple[Recipe, str]:
    """The recipe with a model, steps and evaluations that fit its training text of so many bytes and tokens; and a sentence
    on what was chosen, "" if nothing was."""
    if isinstance(recipe.corpus, Village):
        return recipe, ""
    size = _size(n_bytes)
    if size is None:
        return recipe, ""
    groups = [
        [f"model.n_layer={size.layers}", f"model.n_head={size.heads}", f"model.n_embd={size.width}"],
        [f"model.context_length={size.context}"], [f"model.dropout={size.dropout}"],
        ["model.embed=token"], ["model.head=tied"],
        [f"train.micro_batch_size={size.rows}"], ["train.sampler=windows"],
        ["train.learning_rate=0.006"], ["train.schedule=cosine", "train.schedule.min_lr_ratio=0.05"], ["model.init=gpt2"],
    ]  # fmt: skip
    chosen = [s for group in groups if not told(group) & set(given) for s in group]
    recipe = recipe.override(*chosen)
    tokens = recipe.train.mean_batch_size * recipe.model.context_length
    pace = [f"train.eval_every={1 / EVALUATIONS}", "train.sample_every=0.2", "train.checkpoint_every=0.2"]
    if "train.steps" not in given:
        steps = round(size.epochs * n_tokens / tokens)
        pace += [f"train.steps={max(EVALUATIONS, steps)}", f"train.patience={PATIENCE}"]
    recipe = recipe.override(*(setting for setting in pace if not told([setting]) & set(given)))
    model, train = recipe.model, recipe.train
    return recipe, (
        f"chosen for {_size_text(n_bytes)} of training text: {model.n_layer} layers {model.n_embd} wide, dropout "
        f"{model.dropout:g}, {train.steps:,} steps"
        + (f", fewer if {train.patience} evaluations in a row bring no lower held-out loss" if train.patience else "")
    )


def _size(n_bytes: int | None) -> Size | None:
    return None if n_bytes is None else next((size for size in SIZES if n_bytes <= size.bytes), None)


def _size_text(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
