"""Rehearsal: the user's own parts of a recipe are tried once, before there is a run folder.

What a part must do to be trained at all is checked here, in a second, and a fault is one sentence that names the file.
`glass check-variant` tests all promises (glassformer/lab/contracts), with the same functions where they agree.
"""

import math
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.config.user_files import blaming
from glassformer.corpora import Corpus, Document, Skipped
from glassformer.data.batches import Batch
from glassformer.errors import CorpusError, GlassError, SettingError, TokenizerError
from glassformer.generate.processor import Processor
from glassformer.generate.text import complete
from glassformer.model.cache import LayerCache
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes.presets import Recipe
from glassformer.tokenizers import Tokenizer
from glassformer.train.loss import Loss
from glassformer.train.optimizer import set_learning_rate
from glassformer.train.schedule import Schedule

STEPS = 200
"""Places of the schedule that are tried, spread over the run."""
DOCUMENTS, CHARACTERS = 50, 100_000
"""How much of its text a tokenizer is tried on."""


def is_own(variant: Variant) -> bool:
    """Whether it is in a file of the user's."""
    return variant.name.endswith(".py")


def rehearse(recipe: Recipe, model: GPT, batch: Batch) -> None:
    """Try the user's own parts of the model, the loss, the optimizer, the schedule and the processor of scores.

    `batch` is a small part of a batch of the run. Raises SettingError; the model is left without gradients.
    """
    train = recipe.train
    if any(is_own(value) for value in dict(recipe.model).values() if isinstance(value, Variant)) or any(
        map(is_own, recipe.model.mixers)
    ):
        with blaming(recipe, "the model cannot write"):
            _writes(model)
    if is_own(train.schedule):
        for step in sorted({*range(0, train.steps, max(1, train.steps // STEPS)), train.steps - 1}):
            with blaming(recipe, f"there is no learning rate for step {step} of {train.steps}"):
                factor(train.schedule, step, train.steps)
    if is_own(train.loss):
        with blaming(recipe, "there is no loss"):
            nats_of(train.loss, model, batch)
    if is_own(train.optimizer):
        with blaming(recipe, "the optimizer cannot take three steps"):
            _three_steps(recipe)
    if is_own(recipe.sample.processor):
        with blaming(recipe, "the next token cannot be chosen"):
            z = torch.randn(2, recipe.model.vocab_size, generator=torch.Generator().manual_seed(0))
            scores_of(recipe.sample.processor, z, z > 1)


def rehearse_sample(recipe: Recipe, model: GPT, tokenizer: Tokenizer) -> None:
    """Write one token of a sample, if the run will write samples: a prompt that cannot be continued is refused here, before
    there is a run folder. Raises SettingError."""
    sample = recipe.sample
    if recipe.train.sample_every:
        model.eval()
        try:
            complete(model, tokenizer, [sample.prompt], sample.model_copy(update={"max_new_tokens": 1}))
        except GlassError as error:
            raise SettingError(f"sample.prompt cannot be continued: {error}") from error
        finally:
            model.train()


def rehearse_text(recipe: Recipe) -> None:
    """Try the user's own corpus and tokenizer on a few documents. Raises CorpusError, TokenizerError or SettingError."""
    if not (is_own(recipe.corpus) or is_own(recipe.tokenizer)):
        return
    with blaming(recipe, "the text cannot be read"):
        texts = first_texts(recipe.corpus)
    if is_own(recipe.tokenizer):
        with blaming(recipe, "the text cannot become tokens"):
            tokenizer: Any = recipe.tokenizer.train(iter(texts))
            if not isinstance(tokenizer, Tokenizer):
                raise SettingError(
                    f"train in {recipe.tokenizer.name} returns a {type(tokenizer).__name__}, which is no Tokenizer"
                )
            for text in texts if recipe.tokenizer.LOSSLESS else []:
                back = tokenizer.decode(tokenizer.encode(text))
                if back != text:
                    raise TokenizerError(
                        f"{recipe.tokenizer.name} does not give its text back: {_difference(text, back)}; keep what is "
                        "lost, or declare that texts change on purpose with `LOSSLESS = False` in the recipe"
                    )


def first_texts(corpus: Corpus) -> list[str]:
    """Its first texts, up to DOCUMENTS or CHARACTERS. Raises CorpusError for what is no document, and if there is none."""
    texts: list[str] = []
    for number, document in enumerate(islice(corpus.documents(), 20 * DOCUMENTS)):
        if not isinstance(document, Document) or not isinstance(document.text, str):
            what = (
                type(document).__name__
                if not isinstance(document, Document)
                else f"Document of {type(document.text).__name__}"
            )
            raise CorpusError(f"{corpus.name}: document {number} is a {what}; yield Document(text, origin) with a text")
        if not isinstance(document, Skipped):
            texts.append(document.text)
        if len(texts) == DOCUMENTS or sum(map(len, texts)) > CHARACTERS:
            break
    if not texts:
        raise CorpusError(
            f"{corpus.name} yields no documents; `documents` must yield Document(text, origin) for each text"
        )
    return texts


def factor(schedule: Schedule, step: float, steps: int) -> float:
    """The factor of the learning rate at a step. Raises SettingError if it is none."""
    value: Any = schedule.factor(step, steps)
    said = f"the factor at step {step} of {steps} is {value!r:.40}"
    if not isinstance(value, int | float):
        raise SettingError(f"{schedule.name}: {said}, not a number; does every path of after_warmup end in `return`?")
    if not math.isfinite(value) or value < 0:
        raise SettingError(f"{schedule.name}: {said}; after_warmup must return a finite number from 0 up")
    return float(value)


def nats_of(loss: Loss, model: nn.Module, batch: Batch) -> Tensor:
    """`loss.nats`, checked for what the trainer needs. Raises SettingError."""
    found: Any = loss.nats(model, batch)
    B, T = batch.ids.shape
    if not isinstance(found, Tensor):
        raise SettingError(f"{loss.name}: nats returns a {type(found).__name__}, not a tensor")
    if found.shape not in ((B, T), (B,)):
        raise SettingError(
            f"{loss.name}: nats has shape {tuple(found.shape)} for a batch of {B} rows of {T} tokens; give one number per "
            f"token, {(B, T)}, or per row, {(B,)}, and no mean: the trainer divides by `counted`"
        )
    if found.dtype not in (torch.float32, torch.float64):
        raise SettingError(f"{loss.name}: nats is {found.dtype}; sum up in float32 or wider")
    if torch.is_grad_enabled() and not found.requires_grad:
        raise SettingError(f"{loss.name}: nats has no gradient; it is detached, or computed under torch.no_grad")
    counted: Any = loss.counted(batch)
    if not isinstance(counted, int) or not 0 <= counted <= found.numel():
        raise SettingError(
            f"{loss.name}: counted returns {counted!r:.40}; it is how many of the {found.numel()} nats count"
        )
    return found


def scores_of(processor: Processor, z: Tensor, seen: Tensor) -> Tensor:
    """`processor.process`, checked: scores (B, V) that still are a distribution. Raises SettingError."""
    found: Any = processor.process(z, seen)
    if not isinstance(found, Tensor) or found.shape != z.shape or not found.is_floating_point():
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise SettingError(f"{processor.name}: process returns {what}; it must return scores of shape {tuple(z.shape)}")
    if found.isnan().any() or (found == torch.inf).any():
        raise SettingError(f"{processor.name}: process gives NaN or infinity; a token that is ruled out has -inf")
    if (found == -torch.inf).all(-1).any():
        raise SettingError(f"{processor.name}: process rules out every token of a row, so none can be chosen")
    return found


def cache_of(mixer: Any, rows: int, length: int, name: str) -> Any:
    """The cache that a mixer makes. Raises SettingError if it makes none, or one that lacks a method."""
    kind = f"{name} ({type(mixer).__name__})"
    if not hasattr(mixer, "make_cache"):
        raise SettingError(
            f"{kind} has no make_cache, so the model cannot write: return KVCache(rows, length) for keys and values, or "
            "StateCache(rows) for a state (glassformer/model/cache)"
        )
    cache = mixer.make_cache(rows, length)
    lacking = [each for each in vars(LayerCache) if not each.startswith("_") and not hasattr(cache, each)]
    if lacking:
        raise SettingError(
            f"the cache of {kind} is a {type(cache).__name__} without {', '.join(lacking)}: see LayerCache"
        )
    return cache


@torch.no_grad()
def _writes(model: GPT) -> None:
    """Two tokens, one at a time."""
    for layer, block in enumerate(model.blocks):
        cache_of(block.mixer, 1, 2, f"{model.config.mixer_of(layer).name}: blocks.{layer}.mixer")
    was_training, cache = model.training, model.make_cache(1, 2)
    model.eval()
    for _ in range(min(2, model.config.context_length)):
        model(torch.zeros(1, 1, dtype=torch.long, device=model.device), cache=cache)
    model.train(was_training)


def _three_steps(recipe: Recipe) -> None:
    """On a model of one small block, whose parameters have every role."""
    shape = {"vocab_size": 16, "context_length": 8, "n_layer": 1, "n_head": 2, "n_embd": 16, "bias": True}
    model, ids = GPT(GPTConfig.parse(shape)), torch.arange(9)[None]
    made: Any = recipe.train.optimizer.build(model)
    if not isinstance(made, torch.optim.Optimizer):
        raise SettingError(
            f"build in {recipe.train.optimizer.name} returns a {type(made).__name__}, which is no torch.optim.Optimizer"
        )
    for _ in range(3):
        model.zero_grad(set_to_none=True)
        model(ids[:, :-1], targets=ids[:, 1:]).mean().backward()
        set_learning_rate(made, recipe.train.learning_rate)
        made.step()


def _difference(text: str, back: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(text, back)) if a != b), min(len(text), len(back)))
    return f"{text[at : at + 20]!r} comes back as {back[at : at + 20]!r}"
