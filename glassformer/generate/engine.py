"""The engine: one model writes many texts at once, each request with settings of its own.

    engine = Engine(model, slots=8)
    request = engine.add(prompt, SamplingConfig(temperature=0.8))
    while engine.busy:
        tokens = engine.step()

Each step gives every running request one more token:

    join      waiting requests take the free slots of the cache, whatever the others are doing
    prefill   the model reads the prompts of those that joined, all positions in parallel
    decode    for every other request the model reads the one token that was chosen last
    choose    one token per request, from its scores, by its settings
    leave     finished requests free their slots

This is continuous batching (Orca: Yu et al., 2022): no request waits for another one to finish. What a request says does
not depend on what is written beside it, since each has its own random generator and its own slot.

A window slides over long texts: the model sees at most `length` tokens. A request that has filled its slot re-reads the
last half of them and goes on, so a text may be longer than the context.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from glassformer.errors import GlassError
from glassformer.generate.sampling import SamplingConfig, choose, pipeline
from glassformer.generate.step import step_for
from glassformer.model.gpt import GPT, GPTConfig


class Token(NamedTuple):
    """One new token of one request."""

    row: int
    """The number of its request: 0 for the first that was added."""
    id: int
    logprob: float
    """Its natural log-probability under the model itself, before any stage of sampling."""
    finish: str
    """Why the text ends here: "end" (this is an end id), "stop" (the caller said so), "length"; or "", it goes on."""


@dataclass(eq=False)
class Request:
    """One text being written."""

    number: int
    ids: list[int]
    """Prompt and continuation."""
    limit: int
    """How long `ids` may become."""
    config: SamplingConfig
    end_ids: Collection[int]
    stopped: Callable[[int], bool] | None
    generator: Random
    seen: Tensor | None
    """(V,) booleans: the tokens that the text already has; None if no stage reads them."""
    start: int = 0
    """Where the window begins: the first of `ids` that the model still sees."""
    finish: str = ""
    """See Token.finish."""

    def push(self, id: int) -> str:
        """Take the token that was chosen; returns `finish`."""
        self.ids.append(id)
        if self.seen is not None:
            self.seen[id] = True
        if id in self.end_ids:
            self.finish = "end"
        elif self.stopped is not None and self.stopped(id):
            self.finish = "stop"
        elif len(self.ids) == self.limit:
            self.finish = "length"
        return self.finish


class Engine:
    """A model, the slots of its cache, and the requests. The request in slot i is `running[i]`."""

    def __init__(self, model: GPT, slots: int = 8, length: int | None = None, n_new: int = 0):
        """`slots` texts are written at once, each with a window of `length` tokens (None: the model's context). About
        `n_new` tokens will be written, as far as is known: a single text of many tokens is worth the compiled step."""
        self.model, self.slots, self.device = model, slots, model.device
        self.length = length or model.config.context_length
        assert self.length <= model.config.context_length, "a window cannot be wider than the model's context"
        self.cache = model.make_cache(slots, self.length)
        self.compiled = step_for(model, self.cache, n_new) if slots == 1 else None
        """What reads single tokens (generate/step); None: the modules of the model do."""
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.n_added = 0

    @property
    def busy(self) -> bool:
        """Whether any request is waiting or running."""
        return bool(self.waiting or self.running)

    def add(
        self,
        prompt: Sequence[int],
        config: SamplingConfig,
        end_ids: Collection[int] = (),
        stopped: Callable[[int], bool] | None = None,
    ) -> Request:
        """Continue this prompt as soon as a slot is free.

        An id of `end_ids` ends the text and is part of it. `stopped(id)` is asked once about every other token, and
        ends the text if it says so. Raises GlassError for a prompt that is empty, longer than a slot, or has ids that
        the model does not know.
        """
        number, V = self.n_added, self.model.config.vocab_size
        _check(prompt, number, self.model.config, self.length)
        seen = None
        if config.needs_seen:
            # An end id opens every document, which is no reason to avoid it.
            seen = torch.zeros(V, dtype=torch.bool, device=self.device)
            seen[list({*prompt} - {*end_ids})] = True
        limit = len(prompt) + config.max_new_tokens
        request = Request(number, [*prompt], limit, config, end_ids, stopped, Random(config.seed), seen)
        self.waiting.append(request)
        self.n_added += 1
        return request

    def cancel(self, request: Request) -> None:
        """Stop writing this text and free its slot; nothing happens if it is finished."""
        if request in self.waiting:
            self.waiting.remove(request)
        elif request in self.running:
            self._leave(self.running.index(request))

    @torch.inference_mode()
    def step(self) -> list[Token]:
        """One token for every request that has a slot, in the order in which they were added.

        The model is in evaluation mode meanwhile. Raises GlassError if its scores are NaN.
        """
        self._join()
        if not self.running:
            return []
        with evaluation(self.model):
            requests, logits = self._read()  # (B, V)
        ids = _choose(requests, logits)  # (B,)
        logprobs = logits.log_softmax(-1).gather(1, ids[:, None])[:, 0].tolist()
        if any(map(math.isnan, logprobs)):
            raise GlassError("the model's scores are NaN: use a checkpoint from before it diverged")
        tokens = []
        for request, id, logprob in zip(requests, ids.tolist(), logprobs, strict=True):
            if request in self.running:  # `stopped` of another request may have cancelled it
                tokens.append(Token(request.number, id, logprob, request.push(id)))
        for slot in reversed(range(len(self.running))):
            if self.running[slot].finish:
                self._leave(slot)
        return sorted(tokens)

    def _join(self) -> None:
        while self.waiting and len(self.running) < self.slots:
            self.cache.clear(len(self.running))
            self.running.append(self.waiting.popleft())

    def _leave(self, slot: int) -> None:
        """The last running request moves into the hole, so that the slots in use stay neighbours."""
        last = self.running.pop()
        if slot < len(self.running):
            self.cache.move(len(self.running), slot)
            self.running[slot] = last

    def _read(self) -> tuple[list[Request], Tensor]:
        """Let the model read what its cache does not hold yet: the requests, and logits (B, V) of what follows each.

        Prompts are read apart from single tokens, which would have to be padded to the length of a prompt.
        """
        self._slide()
        unread = [self._unread(slot) for slot in range(len(self.running))]
        prefill = [slot for slot, ids in enumerate(unread) if len(ids) > 1]
        decode = [slot for slot, ids in enumerate(unread) if len(ids) == 1]
        parts = [self._scores(slots, [unread[slot] for slot in slots]) for slots in (prefill, decode) if slots]
        requests = [self.running[slot] for slot in prefill + decode]
        return requests, parts[0] if len(parts) == 1 else torch.cat(parts)

    def _unread(self, slot: int) -> list[int]:
        """The ids that the cache does not hold: one or more. If the last step was cut short by an exception after the
        model had read all of them, the whole window is read again."""
        request = self.running[slot]
        if len(request.ids) - request.start == self.cache.lengths[slot]:
            self.cache.clear(slot)
        return request.ids[request.start + self.cache.lengths[slot] :]

    def _slide(self) -> None:
        """Move the windows that are wider than a slot to their last half."""
        for slot, request in enumerate(self.running):
            if len(request.ids) - request.start > self.length:
                request.start = len(request.ids) - max(1, self.length // 2)
                self.cache.clear(slot)

    def _scores(self, slots: list[int], texts: list[list[int]]) -> Tensor:
        """Read one text per slot -> logits (B, V) of what follows its last token."""
        if self.compiled is not None and len(texts[0]) <= self.compiled.at_once:
            return [self.compiled.read(id) for id in texts[0]][-1]
        counts = [len(text) for text in texts]
        T = max(counts)
        ids = torch.tensor([text + [0] * (T - len(text)) for text in texts], device=self.device)  # (B, T)
        return self.model.last(ids, cache=self.cache.at(slots), counts=counts if min(counts) < T else None).float()


def _choose(requests: list[Request], logits: Tensor) -> Tensor:
    """One id per request (B,) from logits (B, V). Requests with equal settings go through the stages together."""
    groups: dict[tuple, list[int]] = {}
    for row, request in enumerate(requests):
        groups.setdefault(request.config.scoring, []).append(row)
    if len(groups) == 1:
        return _sample(requests, logits)
    ids = torch.empty(len(requests), dtype=torch.long, device=logits.device)
    for rows in groups.values():
        ids[rows] = _sample([requests[row] for row in rows], logits[rows])
    return ids


def _sample(requests: list[Request], logits: Tensor) -> Tensor:
    """logits (B, V) of requests with equal settings -> ids (B,)."""
    config, seen, uniform = requests[0].config, None, None
    if config.needs_seen:
        seen = torch.stack([request.seen for request in requests if request.seen is not None])  # (B, V)
    if config.temperature:
        uniform = torch.tensor([request.generator.random() for request in requests], dtype=torch.float64)  # (B,)
        uniform = uniform if logits.device.type == "mps" else uniform.to(logits.device)  # mps has no float64
    return choose(logits, pipeline(config), seen, uniform)


@contextmanager
def evaluation(model: GPT) -> Iterator[None]:
    """Turns dropout off, and restores the mode afterwards."""
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def _check(prompt: Sequence[int], number: int, config: GPTConfig, longest: int) -> None:
    if not prompt:
        raise GlassError(f"prompt {number} is empty: give it at least the id that starts a document (end_of_text)")
    if len(prompt) > longest:
        raise GlassError(
            f"prompt {number} has {len(prompt)} tokens and at most {longest} can be read at once: keep its last {longest}"
        )
    V, absent = config.vocab_size, config.absent
    for id in prompt:
        if not 0 <= id < V or any(first <= id <= last for first, last in absent):
            why = f"this model knows ids below {V}" if not 0 <= id < V else "no token has it"
            raise GlassError(
                f"prompt {number} has the id {id} and {why}: encode it with the tokenizer that was saved with the model"
            )
