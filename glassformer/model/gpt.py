"""GPT: tokens in, a score for every possible next token out (Radford et al., 2018, 2019).

    x = embed(ids)                  (B, T, C)     what each token is
    x = block(x)  n_layer times     (B, T, C)     gather from before, think, write back
    logits = head(norm(x))          (B, T, V)     what comes next

Every part is a slot: `GPTConfig(mixer="full", position="rope", norm="rmsnorm", mlp="swiglu", residual="pre")`.
"""

from typing import Any, Self

import torch
from pydantic import PositiveFloat, ValidationInfo, field_validator, model_validator
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, fused
from glassformer.model.cache import Cache
from glassformer.model.embed import Embed
from glassformer.model.head import Foresight, Head
from glassformer.model.init import Init
from glassformer.model.linear import Dropout
from glassformer.model.mixer import Mixer
from glassformer.model.mlp import MLP, Balanced
from glassformer.model.norm import Norm
from glassformer.model.position import Position
from glassformer.model.positions import Positions, places
from glassformer.model.residual import Residual
from glassformer.model.shapes import Shapes


class GPTConfig(Shapes):
    """Shapes, and which variant fills each slot."""

    embed: Embed = slot("token")
    """How ids enter the stream."""
    position: Position = slot("rope")
    """How order is told."""
    mixer: Mixer = slot("full")
    """How a token gathers from those before it."""
    mixers: tuple[Mixer, ...] = ()
    """A pattern such as "sliding,sliding,full", repeated over the layers; the name of `mixer` means it as it is set."""
    mlp: MLP = slot("swiglu")
    """What a token does by itself."""
    norm: Norm = slot("rmsnorm")
    """How the size of numbers is kept steady."""
    residual: Residual = slot("pre")
    """Where the norms stand."""
    head: Head = slot("tied")
    """How the stream becomes scores."""
    init: Init = slot("gpt2")
    """What the weights are before the first step."""
    logit_softcap: PositiveFloat | None = None
    """No score grows beyond this (Gemma 2: 30); null for no limit."""

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
                f"mixer={name}, as it is set, has no place in mixers={pattern} and would do nothing; write mixers=... "
                f"again with {name} in it, mixers=null to have it in every layer, or mixer=full to let it go"
            )
        return self

    def mixer_of(self, layer: int) -> Mixer:
        """The mixer of a layer, counted from 0."""
        return self.mixers[layer % len(self.mixers)] if self.mixers else self.mixer


class GPT(nn.Module):
    """A decoder-only transformer. Single-device code; wrap it from outside to parallelise, adapt or inspect it."""

    def __init__(self, config: GPTConfig, kernels: Kernels | None = None, seed: int = 0):
        super().__init__()
        kernels = kernels or fused()
        self.config, self.kernels = config, kernels

        def norm() -> nn.Module:
            return config.norm.build(config, kernels)

        self.embed = config.embed.build(config, kernels)
        self.position = config.position.build(config, kernels)
        self.embed_dropout = Dropout(config.dropout, kernels)
        self.blocks = nn.ModuleList(
            config.residual.build(
                mixer=config.mixer_of(layer).build(config, kernels),
                mlp=config.mlp.build(config, kernels),
                norm=norm,
                dropout=Dropout(config.dropout, kernels),
            )
            for layer in range(config.n_layer)
        )
        self.final_norm = config.residual.final(norm)
        self.head = config.head.build(config, kernels)
        config.init.fill(self, config, seed)

    def forward(
        self, ids: Tensor, cache: Cache | None = None, counts: list[int] | None = None, documents: Tensor | None = None
    ) -> Tensor:
        """ids (B, T) -> logits (B, T, V): what each position expects next. For the rest see `hidden`."""
        return self.logits(self.hidden(ids, cache, counts, documents))

    def hidden(
        self, ids: Tensor, cache: Cache | None = None, counts: list[int] | None = None, documents: Tensor | None = None
    ) -> Tensor:
        """ids (B, T) -> the stream before the head, (B, T, C).

        With a `cache` the call continues from it. `counts` says how many tokens of each row are real when rows are
        padded on the right to a common T; outputs at the padding mean nothing.

        `documents` (B, T) numbers the documents packed into each row, in rising order: each is read as if it were
        alone. It is for training, and goes with no cache.
        """
        T = ids.shape[1]
        if cache is None:
            positions = Positions.of(T, scheme=self.position, device=ids.device, documents=documents)
        else:
            assert documents is None, "packed documents are for training; generate with one document a row"
            positions = cache.advance(T, counts, self.position, ids.device)
        x = self.position.add(self.embed(ids), positions.index if documents is None else places(documents))
        x = self.embed_dropout(x)
        for i, block in enumerate(self.blocks):
            x = block(x, positions, cache and cache.layers[i])
        return self.final_norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """x (..., C) -> (..., V)."""
        scale, cap = self.config.init.logit_scale(self.config), self.config.logit_softcap
        z = self.head(x if scale == 1 else x * scale, self.embedding)
        return z if cap is None else self.kernels.softcap(z, cap)

    @property
    def embedding(self) -> Tensor:
        """(V, C): the rows that tokens enter with, which a tied head shares."""
        weight = self.embed.weight
        assert isinstance(weight, Tensor)
        return weight

    def extra_loss(self, x: Tensor, targets: Tensor, documents: Tensor | None = None) -> Tensor | None:
        """What parts of the model ask of the training beyond the next token, in nats a token; None for nothing.

        x (B, T, C) is what `hidden` has just returned, targets (B, T) what follows each place, `documents` as there.
        """
        terms = [part.extra_loss() for part in self.modules() if isinstance(part, Balanced)]
        if isinstance(self.head, Foresight):
            terms.append(self.head.extra_loss(x, self.logits, targets, documents))
        return torch.stack(terms).sum() if terms else None

    def lr_scales(self) -> dict[str, float]:
        """What the learning rate of each parameter is multiplied by, as the initialisation asks."""
        return {name: self.config.init.rate(name, p, self.config) for name, p in self.named_parameters()}

    def make_cache(self, rows: int, length: int) -> Cache:
        """An empty cache of `rows` slots, each for a text of at most `length` tokens."""
        mixers: list[Any] = [block.mixer for block in self.blocks]
        return Cache([mixer.make_cache(rows, length) for mixer in mixers], rows, length)
