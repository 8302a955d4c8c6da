"""Direct logit attribution (Elhage et al., 2021, "A Mathematical Framework for Transformer Circuits"): which part said it?

    logit_w = constant + sum_parts contribution_p,w         contribution_p,w = part_p . d logit_w / d part_p

Embedding, mixers and MLPs write into one stream, and the head is linear. If the scale of each norm on the way is held at
the value that it had, the logit is a sum with one term for each part. The derivative is taken with all parts cut off: what
a part wrote counts, and not what later parts made of it. The constant holds the biases on the way; it is measured by a
second pass in which every part writes 0, so that the sum can be compared with the logit.

A soft-cap on the logits is no sum, so the logit is that before the cap. A head that copies (`pointer`) mixes probabilities,
and the logit is that of its vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.call import SOFTMAX_ATTENTION
from glassformer.lens.seam import Seam, Visitor, evaluating
from glassformer.lens.trace import Trace
from glassformer.model.block import Block
from glassformer.model.gpt import GPT

TOLERANCE = 1e-2
"""How far the sum may be from the logit before an attribution is refused, as a share of the largest logit."""
WITH_HEADS = (*SOFTMAX_ATTENTION, "linear_attention")
"""The mixers whose output is a projection of what each head read, and nothing else."""


@dataclass(frozen=True)
class Attribution:
    """The terms of one logit at each place."""

    parts: list[str]
    """(P): "embed", "blocks.0.mixer", "blocks.0.mlp" ...; with heads "blocks.0.mixer.heads.2"."""
    terms: Tensor
    """(P, B, T)."""
    constant: Tensor
    """(B, T): the biases of norms and projections on the way."""
    logit: Tensor
    """(B, T): the logit, or the difference of two, that the model computed."""

    @property
    def total(self) -> Tensor:
        """(B, T): the sum of all terms and the constant, which is the logit up to rounding."""
        return self.terms.sum(0) + self.constant

    def largest(self, row: int, place: int, n: int = 10) -> list[tuple[str, float]]:
        """The n terms of one logit that are largest in size, by falling size."""
        its = self.terms[:, row, place]
        order = its.abs().argsort(descending=True)[:n].tolist()
        return [(self.parts[i], float(its[i])) for i in order]


def attribute(seen: Trace, tokens: Tensor, against: Tensor | None = None, heads: bool = False) -> Attribution:
    """The terms of the logit of tokens (B, T) at each place; `against` (B, T): of its lead over that of another token.

    The model reads the trace's text again, so an intervention must still be in force. With `heads` each head of attention
    is a part of its own. Raises LensError for a model whose stream is no sum: one with
    a norm that is a formula of your own.
    """
    model = seen.model
    tokens = tokens.to(seen.ids.device).view_as(seen.ids)
    against = None if against is None else against.to(seen.ids.device).view_as(seen.ids)
    first = _Cut(model, heads)
    with torch.enable_grad():
        logit = _logit(seen, tokens, against, first)
        slopes = torch.autograd.grad(logit.sum(), list(first.parts.values()), allow_unused=True)
    parts, terms = list[str](), list[Tensor]()
    for (name, part), slope in zip(first.parts.items(), slopes):
        product = (part * (torch.zeros_like(part) if slope is None else slope)).detach()
        if name.endswith(".z"):  # (B, H, T, D)
            parts += [f"{name.removesuffix('.z')}.heads.{head}" for head in range(part.shape[1])]
            terms += product.sum(-1).unbind(1)
        else:
            parts.append(name.removesuffix(".out"))
            terms.append(product.sum(-1))
    with torch.no_grad():
        constant = _logit(seen, tokens, against, _Cut(model, heads, first))
    found = Attribution(parts, torch.stack(terms), constant, logit.detach())
    error = float((found.total - found.logit).abs().max())
    if not error <= TOLERANCE * max(1.0, float(found.logit.abs().max())):
        raise LensError(
            f"the terms of the logits miss them by {error:.2g}: something on the way from the parts of this model to its "
            "head is not linear, such as a norm or a residual variant of your own, so the logit has no direct attribution"
        )
    return found


def _logit(seen: Trace, tokens: Tensor, against: Tensor | None, cut: "_Cut") -> Tensor:
    """(B, T): the scores of `tokens`, with the parts of the model cut off."""
    with evaluating(seen.model), Seam(seen.model, cut):
        z = seen.model.logits(seen.model.hidden(seen.ids, documents=seen.documents))
    chosen = z.gather(-1, tokens[..., None])[..., 0]
    return chosen if against is None else chosen - z.gather(-1, against[..., None])[..., 0]


class _Cut(Visitor):
    """Puts a tensor of its own in the place of each part's output, and holds the scales of norms.

    With an `earlier` one, all parts are 0 and the scales are those of then.
    """

    def __init__(self, model: GPT, heads: bool, earlier: "_Cut | None" = None):
        self.parts, self.scales, self.earlier = dict[str, Tensor](), dict[tuple[str, int], Tensor](), earlier
        self.runs: dict[str, int] = {}
        self.blocks = {path for path, module in model.named_modules() if isinstance(module, Block)}
        self.heads, self.opened = heads, set[str]()

    def visit(self, name: str, value: Tensor) -> Tensor:
        path, _, end = name.rpartition(".")
        if name == "blocks.0.resid_pre":
            return self._part("embed", value)
        if end == "z" and path in self.opened:
            return self._part(name, value)
        if end == "out" and path.rpartition(".")[0] in self.blocks and path not in self.opened:
            return self._part(name, value)
        return value

    def instead(self, formula: str, module: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if self.heads and formula in WITH_HEADS and module.rpartition(".")[0] in self.blocks:
            self.opened.add(module)
        if formula == "softcap":
            return lambda z, cap: z
        if formula in ("rms_norm", "layer_norm"):
            return lambda *args: self._norm(formula, module, *args)
        return function

    def _part(self, name: str, value: Tensor) -> Tensor:
        if self.earlier is None:
            self.parts[name] = value.detach().requires_grad_()
            return self.parts[name]
        return torch.zeros_like(value)

    def _norm(self, formula: str, module: str, x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        """x (..., C) -> the same norm with its scale as a fixed number."""
        bias, eps = (rest[0], rest[1]) if formula == "layer_norm" else (None, rest[0])
        centred = x - x.mean(-1, keepdim=True) if formula == "layer_norm" else x
        run = self.runs[module] = self.runs.get(module, -1) + 1
        if self.earlier is None:
            self.scales[module, run] = ((centred * centred).mean(-1, keepdim=True) + eps).rsqrt().detach()
        y = centred * (self.earlier or self).scales[module, run] * weight
        return y if bias is None else y + bias
