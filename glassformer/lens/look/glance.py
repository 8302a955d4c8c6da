"""What a terminal shows of one pass: tokens and their loss, the strongest heads, each layer's guess, the next token."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from glassformer.errors import LensError, TokenizerError
from glassformer.generate.sampling import SamplingConfig, pipeline
from glassformer.kernels.softmax import plain as softmax
from glassformer.lens import heads
from glassformer.lens.logit_lens import LogitLens, logit_lens
from glassformer.lens.tokens.colours import visible
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

REPEATED = 4
"""Rows of random tokens, read twice, in which induction is looked for."""
GUESSES = 5
"""Tokens that each layer's guess names."""


@dataclass(frozen=True)
class Glance:
    """A text that a model has read."""

    model: GPT
    tokenizer: Tokenizer
    ids: Tensor
    """(1, T): the end of the text before, if the tokenizer has one, and the text."""
    place: int
    """The place that is looked at first."""
    logits: Tensor
    """(T, V)."""
    nats: Tensor
    """(T,): what each token cost where it was predicted; NaN for the first one, which nobody predicted."""
    lens: LogitLens
    measured: list[heads.Scores]
    """What the heads do, by question. Questions that this text does not ask are left out."""
    sampling: SamplingConfig
    """How the next token would be chosen."""
    left_out: list[str] = field(default_factory=list)
    """What cannot be shown, and why: one sentence each."""

    @property
    def T(self) -> int:
        """The number of tokens."""
        return self.ids.shape[1]

    def token(self, id: int) -> str:
        """A token as people can see it: "·the". A model may score ids that its tokenizer does not have: "(id 99)"."""
        if id >= self.tokenizer.vocab_size or any(first <= id <= last for first, last in self.tokenizer.absent):
            return f"(id {id})"
        return visible(self.tokenizer.decode_bytes([id])) or "(empty)"

    @property
    def tokens(self) -> list[str]:
        """The tokens of the text as people can see them."""
        return [self.token(id) for id in self.ids[0].tolist()]

    @property
    def loss(self) -> float:
        """The mean nats of all tokens that were predicted; NaN if there are none."""
        return float(self.nats[1:].mean())

    def stages(self, place: int) -> list[tuple[str, Tensor]]:
        """(name, probabilities (V,)) of the next token: the model's own, then behind each stage of sampling in turn."""
        z = self.logits[place][None].float()
        seen = torch.zeros_like(z, dtype=torch.bool)
        seen[0, self.ids[0, : place + 1].cpu()] = True
        found = [("model", softmax(z)[0])]
        for name, stage in pipeline(self.sampling):
            z = stage(z, seen)
            found.append((name, softmax(z)[0]))
        if self.sampling.temperature == 0:
            chosen = torch.zeros_like(z[0])
            chosen[z[0].argmax()] = 1
            found.append(("temperature", chosen))
        return found


def ids_of(model: GPT, tokenizer: Tokenizer, text: str, most: int | None = None) -> Tensor:
    """(1, T): a text as a model reads it, behind the end of the one before; no more than the first `most` tokens.

    Raises LensError for a text without a token, or one that the model cannot read at once.
    """
    ids = tokenizer.encode(text)
    if not ids:
        raise LensError("there is no text to look at: write one in quotes behind the run")
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    room = model.config.context_length - len(end)
    if len(ids) > room:
        raise LensError(f"the text has {len(ids):,} tokens and this model reads {room:,} at once; give it less")
    return torch.tensor([[*end, *ids][:most]], device=model.device)


@torch.no_grad()
def glance(
    model: GPT, tokenizer: Tokenizer, text: str, sampling: SamplingConfig, place: int | None = None, most: int | None = None
) -> Glance:
    """Let a model read a text; `place` counts tokens from 0, and without it is the last one. Raises LensError, also for a
    place that is not there."""
    ids = ids_of(model, tokenizer, text, most)
    T = ids.shape[1]
    if place is not None and not 0 <= place < T:
        raise LensError(f"there is no place {place}: this text has the places 0 to {T - 1}")
    seen = trace(model, ids, next_tokens(ids), keep=["blocks.*.resid_*"])
    assert seen.nats is not None
    nats = torch.cat([torch.full((1,), torch.nan), seen.nats[0, :-1].float().cpu()])
    measured, left_out = measurements(model, tokenizer, ids[0].tolist(), text)
    found = logit_lens(seen, next_tokens(ids), GUESSES)
    return Glance(
        model, tokenizer, ids, T - 1 if place is None else place, seen.logits[0].float().cpu(), nats, found, measured,
        sampling, left_out,
    )  # fmt: skip


def measurements(
    model: GPT, tokenizer: Tokenizer, ids: list[int], text: str
) -> tuple[list[heads.Scores], list[str]]:  # fmt: skip
    """What the heads do in this text, and induction in random rows: (scores, why some are missing)."""
    questions = {
        "previous token": heads.previous_token([ids]),
        "first token": heads.first_token([ids]),
        "duplicate token": heads.duplicate_token([ids]),
        "induction": heads.induction(heads.repeated(model, REPEATED)),
    }
    left_out = list[str]()
    if tokenizer.end_of_text is not None:
        try:
            questions["name"] = heads.names([text], tokenizer, len(ids))
            questions["pronoun choice"] = heads.pronoun_choice([text], tokenizer, len(ids))
        except TokenizerError as error:
            left_out.append(f"Which heads read names cannot be measured: {error}.")
    asked = {what: readings for what, readings in questions.items() if any(reading.events for reading in readings)}
    try:
        return list(heads.measure_all(model, asked).values()), left_out
    except LensError as error:
        return [], [*left_out, f"What the heads do cannot be measured: {error}."]
