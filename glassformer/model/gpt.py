"""GPT: token ids in, a score for every possible next token out (Radford et al., 2018, 2019).

    x = embed(ids)                  (B, T, C)     one vector per token: the residual stream
    x = block(x)  n_layer times     (B, T, C)     each block reads the stream and adds to it
    logits = head(norm(x))          (B, T, V)     the score of every token as the next one

Every part is a slot: `GPTConfig(mixer="full", position="rope", norm="rmsnorm", mlp="swiglu", residual="pre")`.
"""

from typing import Any, Self

import torch
from pydantic import PositiveFloat, ValidationInfo, field_validator, model_validator
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, fused
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.block import Block
from glassformer.model.cache import Cache
from glassformer.model.embed import Embed, SeesBefore
from glassformer.model.head import HasAuxiliaryLoss, Head, IsLinear, LooksBack
from glassformer.model.init import Init, seeded
from glassformer.model.linear import Dropout
from glassformer.model.mixer import Mixer
from glassformer.model.mlp import MLP
from glassformer.model.norm import Norm
from glassformer.model.position import Position
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual
from glassformer.model.shapes import Shapes


class GPTConfig(Shapes):
    """The shapes of a model, and the variant in each slot."""

    embed: Embed = slot("token")
    """How token ids become vectors."""
    position: Position = slot("rope")
    """How the model learns the order of its tokens."""
    mixer: Mixer = slot("full")
    """How a token gathers information from earlier tokens."""
    mixers: tuple[Mixer, ...] = ()
    """A pattern such as "sliding,sliding,full", repeated over the layers; the name of `mixer` brings its settings along."""
    mlp: MLP = slot("swiglu")
    """The MLP of each block, which computes on each token by itself."""
    norm: Norm = slot("rmsnorm")
    """The normalisation layer."""
    residual: Residual = slot("pre")
    """Where the norms are, relative to the residual stream."""
    head: Head = slot("tied")
    """How the stream becomes logits."""
    init: Init = slot("gpt2")
    """How the weights are initialised."""
    logit_softcap: PositiveFloat | None = None
    """Logits are squashed smoothly to between -cap and cap (Gemma 2: 30); null for no limit."""

    @field_validator("mixers", mode="before")
    @classmethod
    def _pattern(cls, value: Any, info: ValidationInfo) -> Any:
        parts = [name.strip() for name in value.split(",")] if isinstance(value, str) and value else value or ()
        mixer = info.data.get("mixer")  # not there if it was refused
        if mixer is None or not isinstance(parts, list | tuple):
            return parts
        return [mixer if isinstance(part, str) and mixer.is_called(part) else part for part in parts]

    @model_validator(mode="after")
    def _every_mixer_has_a_place(self) -> Self:
        if self.mixers and self.mixer not in (*self.mixers, Mixer.parse(type(self).model_fields["mixer"].default)):
            name, pattern = self.mixer.name, ",".join(mixer.name for mixer in self.mixers)
            raise ValueError(
                f"mixer={name} with these settings has no place in mixers={pattern}, so it would have no effect; "
                f"add {name} to mixers=..., or set mixers=null to use it in every layer, or mixer=full to drop it"
            )
        return self

    def mixer_of(self, layer: int) -> Mixer:
        """The mixer of a layer, counted from 0."""
        return self.mixers[layer % len(self.mixers)] if self.mixers else self.mixer

    def block(self, layer: int = 0, kernels: Kernels | None = None) -> Block:
        """One block by itself, with its own weights: `block(x, Positions.of(T))` returns (y, auxiliary loss or None)."""
        kernels = kernels or fused()
        return self.residual.build(
            mixer=self.mixer_of(layer).build(self, kernels),
            mlp=self.mlp.build(self, kernels),
            norm=lambda: self.norm.build(self, kernels),
            dropout=Dropout(self.dropout, kernels),
        )


class GPT(nn.Module):
    """A decoder-only transformer for one device; parallelism, adapters and inspection are applied from outside."""

    def __init__(self, config: GPTConfig, kernels: Kernels | None = None, seed: int = 0):
        super().__init__()
        kernels = kernels or fused()
        self.config, self.kernels = config, kernels

        with seeded(seed):  # a user's part may draw its own weights without being a Leaf
            self._build(config, kernels)
        config.init.fill(self, config, seed)

    def _build(self, config: GPTConfig, kernels: Kernels) -> None:
        self.embed = config.embed.build(config, kernels)
        self.position = config.position.build(config, kernels)
        self.embed_dropout = Dropout(config.dropout, kernels)
        self.blocks = nn.ModuleList(config.block(layer, kernels) for layer in range(config.n_layer))
        self.routed = any(block.routed for block in self.blocks)
        self.final_norm = config.residual.final(lambda: config.norm.build(config, kernels))
        self.head = config.head.build(config, kernels)

    def forward(
        self, ids: Tensor, targets: Tensor | None = None, cache: Cache | None = None, counts: list[int] | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """ids (B, T) -> logits (B, T, V): the score of every token as the next one.

        With `targets` (B, T), the ids that follow: the nats of each target, (B, T) in float32 or wider, and 0 where the
        target is IGNORED. In training mode the auxiliary losses of the parts (load balancing, multi-token prediction) are
        added to the nats of every counted token. For the other arguments see `hidden`.
        """
        x, memory, auxiliary = self.stream(ids, self.positions(ids, targets, cache, counts, documents), cache)
        if targets is None:
            return self._mixed(self.logits(x), x, memory)
        return self.nats(x, memory, auxiliary, targets, documents)

    def nats(
        self, x: Tensor, memory: Any, auxiliary: list[Tensor], targets: Tensor, documents: Tensor | None = None
    ) -> Tensor:
        """The nats (B, T) that `forward` returns, from the stream before the head (B, T, C), what the head keeps of it, and
        the auxiliary losses of the blocks."""
        nats = self._nats(x, memory, targets)
        if not self.training:
            return nats
        if isinstance(self.head, HasAuxiliaryLoss):
            auxiliary = [*auxiliary, self.head.auxiliary_loss(x, self.logits, targets, documents)]
        return nats + sum(auxiliary) * (targets != IGNORED) if auxiliary else nats

    def last(self, ids: Tensor, cache: Cache | None = None, counts: list[int] | None = None) -> Tensor:
        """ids (B, T) -> (B, V): the score of every token as the one after the last real token of each row. The head sees no
        other place, which saves most of the work of reading a prompt."""
        x, memory, _ = self.stream(ids, self.positions(ids, None, cache, counts, None), cache)
        last = torch.tensor(counts or [ids.shape[1]] * len(ids), device=ids.device) - 1  # (B,)
        x = x[torch.arange(len(ids), device=ids.device), last][:, None]  # (B, 1, C)
        return self._mixed(self.logits(x), x, None if memory is None else memory.at(last))[:, 0]

    def hidden(
        self, ids: Tensor, cache: Cache | None = None, counts: list[int] | None = None, documents: Tensor | None = None
    ) -> Tensor:
        """ids (B, T) -> the stream before the head, (B, T, C).

        With a `cache` the call continues the texts in its slots. `counts` says how many tokens of each row are real when
        rows are padded on the right to a common T; outputs at the padding mean nothing.

        `documents` (B, T) numbers the documents packed into each row, in rising order: each is read as if it were alone.
        It is for training and cannot be combined with a cache.
        """
        return self.stream(ids, self.positions(ids, None, cache, counts, documents), cache)[0]

    def positions(
        self, ids: Tensor, targets: Tensor | None, cache: Cache | None, counts: list[int] | None, documents: Tensor | None
    ) -> Positions:
        """Where the tokens of a call are; for the arguments see `forward`."""
        T, device = ids.shape[1], ids.device
        if cache is not None:
            assert documents is None, "packed documents are for training; generate with one document a row"
            assert len(ids) == cache.batch, f"{len(ids)} rows for {cache.batch} slots: pass cache.at([slot of each row])"
            return cache.advance(T, counts, self.position, device)
        real = None if counts is None else torch.tensor(counts, device=device)
        if real is None and targets is not None and self.routed:
            real = (torch.arange(1, T + 1, device=device) * (targets != IGNORED)).amax(1)  # no loss depends on the rest
        return Positions.of(T, scheme=self.position, device=device, documents=documents, counts=real)

    def stream(self, ids: Tensor, positions: Positions, cache: Cache | None) -> tuple[Tensor, Any, list[Tensor]]:
        """The stream before the head (B, T, C), what the head keeps of it, and the blocks' auxiliary losses."""
        if isinstance(self.embed, SeesBefore):
            x = self.embed(ids, self.embed.before(ids, positions, cache and cache.layers[len(self.blocks)]))
        else:
            x = self.embed(ids)
        x = self.position.add(x, positions.places)
        x = self.embed_dropout(x)
        auxiliary = []
        for i, block in enumerate(self.blocks):
            x, loss = block(x, positions, cache and cache.layers[i])
            if loss is not None:
                auxiliary.append(loss)
        x = self.final_norm(x)
        memory = self.head.read(x, ids, positions, cache and cache.layers[-1]) if isinstance(self.head, LooksBack) else None
        return x, memory, auxiliary

    def _mixed(self, z: Tensor, x: Tensor, memory: Any) -> Tensor:
        return self.head.mix(z, x, memory) if isinstance(self.head, LooksBack) else z

    def _nats(self, x: Tensor, memory: Any, targets: Tensor) -> Tensor:
        """x (B, T, C), targets (B, T) -> (B, T). Logits of all tokens are only made for a head that needs them."""
        weight = self.head.scores(self.embedding) if isinstance(self.head, IsLinear) else None
        if weight is not None:
            x = self._scaled(x)
            return self.kernels.linear_cross_entropy(x, weight, targets, self.config.logit_softcap, self._absent(x.device))
        z = self.logits(x)
        if isinstance(self.head, LooksBack):
            return self.head.nats(z, x, memory, targets)
        return self.kernels.cross_entropy(z.flatten(0, 1), targets.flatten()).view_as(targets)

    def logits(self, x: Tensor) -> Tensor:
        """x (..., C) -> (..., V): the scores that depend on the stream alone; -inf for an id that no token has. A head that
        looks back mixes them with what it copies."""
        return self.limited(self.head(self._scaled(x), self.embedding))

    def limited(self, z: Tensor) -> Tensor:
        """What the head says (..., V) -> the logits: squashed by the softcap, and -inf for an id that no token has."""
        cap, absent = self.config.logit_softcap, self._absent(z.device)
        z = z if cap is None else self.kernels.softcap(z, cap)
        return z if absent is None else z.masked_fill(absent, -torch.inf)

    def _scaled(self, x: Tensor) -> Tensor:
        scale = self.config.init.logit_scale(self.config)
        return x if scale == 1 else x * scale

    def _absent(self, device: torch.device) -> Tensor | None:
        """(V,) booleans: the ids that no token has; None if every id has one."""
        if not self.config.absent:
            return None
        absent = torch.zeros(self.config.vocab_size, dtype=torch.bool, device=device)
        for first, last in self.config.absent:
            absent[first : last + 1] = True
        return absent

    @property
    def embedding(self) -> Tensor:
        """(V, C): the vectors of the tokens, which a tied head shares."""
        weight = self.embed.weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def lr_scales(self) -> dict[str, float]:
        """What the learning rate of each parameter is multiplied by, as the initialisation asks (muP)."""
        return self.config.init.lr_scales(self, self.config)

    def make_cache(self, rows: int, length: int) -> Cache:
        """An empty cache of `rows` slots, each for a text of at most `length` tokens."""
        parts: list[Any] = [block.mixer for block in self.blocks]
        parts += [self.embed] if isinstance(self.embed, SeesBefore) else []
        parts += [self.head] if isinstance(self.head, LooksBack) else []
        return Cache([part.make_cache(rows, length) for part in parts], rows, length)
