"""Sampling: from the model's scores for the next token to one token.

    logits -> repetition_penalty -> processor -> temperature -> top_k -> top_p -> min_p -> softmax -> pick

Each stage is a function from logits (B, V) to logits (B, V); a token that a stage rules out gets -inf. `pipeline` lists
the stages that a config needs, by name, so that you can watch each of them:

>>> for name, stage in pipeline(SamplingConfig(temperature=0.8, top_k=50)):
...     logits = stage(logits, seen)
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from glassformer.config import Config, slot
from glassformer.generate.processor import Processor
from glassformer.kernels.softmax import fused as softmax

OUT = float("-inf")
"""The score of a token that cannot be chosen."""


class SamplingConfig(Config):
    """How tokens are chosen and when to stop. The defaults sample from the model's own probabilities."""

    temperature: NonNegativeFloat = 1.0
    """Scores are divided by this: below 1 makes likely tokens likelier, above 1 makes the choice more random, and 0 always
    takes the most likely token."""
    top_k: NonNegativeInt = 0
    """Choose among this many of the most likely tokens; 0 means all."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Choose among the fewest tokens that together have this probability; 1 means all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Choose among tokens whose probability is at least this fraction of the most likely token's; 0 means all."""
    repetition_penalty: float = Field(default=1.0, ge=1e-9, le=1e9)
    """Values above 1 make tokens that are already in the text less likely; 1 changes nothing, 1.1 to 1.3 is usual."""
    processor: Processor = slot("none")
    """What else is done to the scores, after the repetition penalty and before the temperature."""
    seed: NonNegativeInt = 0
    """The seed of the random generator. Row i of a batch uses seed + i, so the other rows do not change what it says."""
    max_new_tokens: PositiveInt = 256
    """The most tokens that a continuation may have."""
    stop: tuple[str, ...] = ()
    """Texts at which the continuation ends; they are not part of it."""

    @model_validator(mode="after")
    def _stops_are_text(self) -> Self:
        if not all(self.stop):
            raise ValueError("an empty stop text would end every continuation before its first word; remove it")
        return self

    @property
    def scoring(self) -> tuple[Any, ...]:
        """The settings that act on scores. Rows where these are equal can be sampled together."""
        return self.temperature, self.top_k, self.top_p, self.min_p, self.repetition_penalty, self.processor

    @property
    def needs_seen(self) -> bool:
        """Whether a stage reads which tokens a text already has."""
        return self.repetition_penalty != 1 or self.processor.ACTS


class Stage(NamedTuple):
    """One step of the pipeline: `apply(logits, seen)`. `seen` (B, V) marks the tokens that each row already has; the
    repetition penalty and a processor read it."""

    name: str
    apply: Callable[[Tensor, Tensor | None], Tensor]


def pipeline(config: SamplingConfig) -> list[Stage]:
    """The stages that change something under this config, in order. At temperature 0 only the most likely token matters."""
    c = config
    stages = []
    if c.repetition_penalty != 1:
        stages.append(Stage("repetition_penalty", lambda z, seen: repetition_penalty(z, seen, c.repetition_penalty)))
    if c.processor.ACTS:
        stages.append(Stage("processor", _processed(c.processor)))
    if c.temperature == 0:
        return stages
    if c.temperature != 1:
        stages.append(Stage("temperature", lambda z, _: temperature(z, c.temperature)))
    if c.top_k:
        stages.append(Stage("top_k", lambda z, _: top_k(z, c.top_k)))
    if c.top_p < 1:
        stages.append(Stage("top_p", lambda z, _: top_p(z, c.top_p)))
    if c.min_p:
        stages.append(Stage("min_p", lambda z, _: min_p(z, c.min_p)))
    return stages


def _processed(processor: Processor) -> Callable[[Tensor, Tensor | None], Tensor]:
    def apply(z: Tensor, seen: Tensor | None) -> Tensor:
        assert seen is not None, "a processor needs `seen`: the tokens that each text already has"
        return processor.process(z, seen)

    return apply


def repetition_penalty(z: Tensor, seen: Tensor | None, penalty: float) -> Tensor:
    """Lower the scores of tokens that the text already has (Keskar et al., 2019, CTRL, section 4.1).

        z_i = z_i / penalty  if z_i > 0 else  z_i * penalty      for every token i in the text so far

    logits (B, V), seen (B, V) -> (B, V). With penalty 2, seen scores [2, -1] become [1, -2]: both less likely. (The
    paper always divides, which makes tokens with negative scores more likely; this form is the usual one today.)
    """
    assert seen is not None, "repetition_penalty needs `seen`: the tokens that each text already has"
    return torch.where(seen, torch.where(z > 0, z / penalty, z * penalty), z)


def temperature(z: Tensor, t: float) -> Tensor:
    """Sharpen (t < 1) or flatten (t > 1) the distribution (Ackley et al., 1985): p_i ~ exp(z_i / t).

    logits (B, V) -> (B, V), shifted to a maximum of 0 so that no t > 0 overflows. Probabilities [2/3, 1/3] become
    [4/5, 1/5] at t = 1/2, since each p becomes p^(1/t) before they are normalised. A t that the type of the logits cannot
    hold counts as the nearest that it can.
    """
    numbers = torch.finfo(z.dtype)
    return (z - z.amax(-1, keepdim=True)) / min(max(t, numbers.tiny), numbers.max)


def top_k(z: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens (Fan et al., 2018), and all that are as likely as the last of them.

    logits (B, V) -> (B, V). [3, 1, 2] with k = 2 becomes [3, -inf, 2].
    """
    smallest = z.topk(min(k, z.shape[-1])).values[..., -1:]
    return z.masked_fill(z < smallest, OUT)


def top_p(z: Tensor, p: float) -> Tensor:
    """Keep the nucleus: the fewest most likely tokens whose probabilities add up to p (Holtzman et al., 2020, eq. 3).

    logits (B, V) -> (B, V). Probabilities [0.5, 0.3, 0.2] with p = 0.7 keep the first two: 0.5 < 0.7 <= 0.5 + 0.3. The
    most likely token always stays, and so do all that are as likely as the last one kept.
    """
    probabilities = softmax(z)
    best = _most_likely(probabilities, p)
    before = best.cumsum(-1) - best  # the probability of everything more likely
    n_kept = (before < p).sum(-1, keepdim=True).clamp(min=1)
    return z.masked_fill(probabilities < best.gather(-1, n_kept - 1), OUT)


def _most_likely(probabilities: Tensor, p: float) -> Tensor:
    """Each row's largest probabilities in order, as many as it takes to add up to p. Sorting all V would be slow."""
    V = probabilities.shape[-1]
    k = min(128, V)
    best = probabilities.topk(k).values
    while k < V and not bool((best.sum(-1) >= p).all()):
        k = min(16 * k, V)
        best = probabilities.topk(k).values
    return best


def min_p(z: Tensor, p: float) -> Tensor:
    """Keep tokens at least p times as probable as the most likely one (Nguyen et al., 2024).

        p_i >= p * max_j p_j     that is     z_i >= max_j z_j + ln p

    logits (B, V) -> (B, V). Few tokens remain where the model is sure, and many where it is not. Probabilities
    [0.6, 0.3, 0.1] with p = 0.5 keep the first two.
    """
    return z.masked_fill(z < z.amax(-1, keepdim=True) + math.log(p), OUT)


def choose(z: Tensor, stages: list[Stage], seen: Tensor | None, uniform: Tensor | None) -> Tensor:
    """logits (B, V) -> ids (B,): through all stages, then `pick` with uniform (B,), or `greedy` without it."""
    for stage in stages:
        z = stage.apply(z, seen)
    return greedy(z) if uniform is None else pick(softmax(z), uniform)


def greedy(z: Tensor) -> Tensor:
    """logits (B, V) -> the most likely ids (B,); of equals, the first."""
    return z.argmax(-1)


def pick(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Sample one id per row: probabilities (B, V) and one uniform number in [0, 1) per row (B,), float64 -> ids (B,).

        id = the first i with p_0 + ... + p_i > u

    This is inverse transform sampling. The line from 0 to 1 is cut into pieces of length p_i, and u falls into one of
    them: with [0.2, 0.5, 0.3], u = 0.1 gives 0, u = 0.2 gives 1, u = 0.9 gives 2. The same numbers always give the same
    ids. The sum is taken in float64, so that an id with probability 0 is never picked.
    """
    edges = probabilities.to(uniform.device).double().cumsum(-1)  # (B, V)
    u = uniform[:, None] * edges[:, -1:]
    ids = torch.searchsorted(edges, u, right=True)[:, 0]
    return ids.clamp(max=edges.shape[-1] - 1).to(probabilities.device)  # NaN would point past the end
