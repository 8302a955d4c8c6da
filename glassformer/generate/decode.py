"""Decode: let the model write. Ids in, ids out; `text.py` puts words around it.

    prefill    read the prompts once, all positions in parallel; the cache remembers them
    decode     read the one token that was chosen last, and score the next; again and again

A decode step costs one token's work per row, however long the text is. Prompts of different lengths share a batch, and
a row that is finished leaves it. Each row has its own dice, so what it says does not depend on who sits beside it.

The window slides: a model sees at most `context_length` tokens, and a row that has filled them re-reads the last half
and goes on, so a text may be longer than the context. (nanoGPT re-reads the whole window for each token from there on.)
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from glassformer.errors import GlassError
from glassformer.generate.sampling import SamplingConfig, choose, pipeline
from glassformer.model.cache import Cache
from glassformer.model.gpt import GPT


class Token(NamedTuple):
    """One new token of one row."""

    row: int
    """The index of its prompt."""
    id: int
    logprob: float
    """Its natural log-probability under the model itself, before any stage of sampling."""
    finish: str
    """Why the row ends here: "end" (this is an end id), "stop" (the caller said so), "length"; or "", it goes on."""


@dataclass
class Row:
    """One text being written."""

    index: int
    ids: list[int]
    """Prompt and continuation."""
    limit: int
    """How long `ids` may become."""
    dice: Random
    start: int = 0
    """Where the window begins: the part of `ids` that the model still sees."""


@torch.inference_mode()
def generate(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    end_ids: Collection[int] = (),
    stopped: Callable[[int, int], bool] | None = None,
) -> Iterator[Token]:
    """Continue every prompt. Yields tokens as they come: one of each unfinished row, then the next of each, and so on.

    An id of `end_ids` is yielded and ends its row. `stopped(row, id)` is asked once about every other token, before it
    is yielded. The model is in evaluation mode until the iterator is exhausted or closed. Raises GlassError for a
    prompt that is empty, longer than the context, or has ids that the model does not know.

    >>> [token.id for token in generate(model, [[0, 7, 4]], SamplingConfig(max_new_tokens=3))]
    [9, 2, 5]
    """
    _check(model, prompts)
    rows = [Row(i, [*p], len(p) + config.max_new_tokens, Random(config.seed + i)) for i, p in enumerate(prompts)]
    stages = pipeline(config)
    seen = _seen(model, rows, end_ids) if config.repetition_penalty != 1 else None
    if not rows:
        return
    with evaluation(model):
        logits, cache = prefill(model, rows)  # (B, V)
        while True:
            uniform = _throw(rows, logits.device) if config.temperature else None
            ids = choose(logits, stages, seen, uniform)  # (B,)
            logprobs = logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(-1)

            unfinished = []
            for i, (row, id, logprob) in enumerate(zip(rows, ids.tolist(), logprobs.tolist())):
                if math.isnan(logprob):
                    raise GlassError("the model's scores are NaN: use a checkpoint from before it diverged")
                row.ids.append(id)
                finish = _finish(row, end_ids, stopped)
                if not finish:
                    unfinished.append(i)
                yield Token(row.index, id, logprob, finish)

            if not unfinished:
                return
            if seen is not None:
                seen = seen.scatter(1, ids[:, None], True)[unfinished]
            if len(unfinished) < len(rows):
                rows, ids = [rows[i] for i in unfinished], ids[unfinished]
                cache.select(unfinished)
            if slide(rows, model.config.context_length):
                logits, cache = prefill(model, rows)
            else:
                logits = decode(model, ids, cache)


def prefill(model: GPT, rows: list[Row]) -> tuple[Tensor, Cache]:
    """Read the windows of all rows -> logits (B, V) of what follows each, and the cache that remembers them."""
    windows = [row.ids[row.start :] for row in rows]
    counts = [len(window) for window in windows]
    T = max(counts)
    device = _device(model)
    room = min(model.config.context_length, max(row.limit - row.start for row in rows))
    cache = model.make_cache(len(rows), room)
    ids = torch.tensor([window + [0] * (T - len(window)) for window in windows], device=device)  # (B, T)
    x = model.hidden(ids, cache, counts)
    last = x[torch.arange(len(rows), device=device), torch.tensor(counts, device=device) - 1]  # (B, C)
    return model.logits(last).float(), cache


def decode(model: GPT, ids: Tensor, cache: Cache) -> Tensor:
    """Read one more token per row, ids (B,) -> logits (B, V) of what follows."""
    return model.logits(model.hidden(ids[:, None], cache)[:, 0]).float()


def slide(rows: list[Row], context_length: int) -> bool:
    """Move the windows that are wider than the context to their last half; says whether any was."""
    wide = [row for row in rows if len(row.ids) - row.start > context_length]
    for row in wide:
        row.start = len(row.ids) - max(1, context_length // 2)
    return bool(wide)


@contextmanager
def evaluation(model: GPT) -> Iterator[None]:
    """No dropout inside; what was before afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _device(model: GPT) -> torch.device:
    return next(model.parameters()).device


def _throw(rows: list[Row], device: torch.device) -> Tensor:
    """(B,) float64 in [0, 1): the next throw of each row's dice; on the CPU where the device has no float64."""
    throws = torch.tensor([row.dice.random() for row in rows], dtype=torch.float64)
    return throws if device.type == "mps" else throws.to(device)


def _finish(row: Row, end_ids: Collection[int], stopped: Callable[[int, int], bool] | None) -> str:
    """Token.finish of the row's last id."""
    id = row.ids[-1]
    if id in end_ids:
        return "end"
    if stopped is not None and stopped(row.index, id):
        return "stop"
    return "length" if len(row.ids) == row.limit else ""


def _seen(model: GPT, rows: list[Row], end_ids: Collection[int]) -> Tensor:
    """(B, V) booleans: the tokens of each prompt. An end id opens every document, which is no reason to avoid it."""
    seen = torch.zeros(len(rows), model.config.vocab_size, dtype=torch.bool, device=_device(model))
    for i, row in enumerate(rows):
        seen[i, list({*row.ids} - {*end_ids})] = True
    return seen


def _check(model: GPT, prompts: Sequence[Sequence[int]]) -> None:
    V, longest = model.config.vocab_size, model.config.context_length
    for i, prompt in enumerate(prompts):
        if not prompt:
            raise GlassError(f"prompt {i} is empty: give it at least the id that starts a document (end_of_text)")
        if len(prompt) > longest:
            raise GlassError(
                f"prompt {i} has {len(prompt)} tokens and this model reads at most {longest}: keep its last {longest}"
            )
        unknown = next((id for id in prompt if not 0 <= id < V), None)
        if unknown is not None:
            raise GlassError(
                f"prompt {i} has the id {unknown} and this model knows ids below {V}: encode it with the tokenizer "
                "that was saved with the model"
            )
