"""The logit lens (nostalgebraist, 2020): what the model would say if it stopped after a layer.

    logits_l = head(final_norm(resid_post_l))

Each block adds to one stream, and the head reads the last sum. Read earlier, the same head shows the guess so far: which
token leads after each layer, and where the answer appears. The last row is what the model really says, except for a head
that also copies (`pointer`): here it scores the vocabulary alone, since the copying belongs to no layer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.trace import Trace, layers


@dataclass(frozen=True)
class LogitLens:
    """The guess after the embedding and after every layer: L + 1 rows."""

    names: list[str]
    """(L + 1): "embed", "blocks.0" ..."""
    top: Tensor
    """(L + 1, B, T, k) int64: the likeliest tokens, in falling order."""
    probabilities: Tensor
    """(L + 1, B, T, k): theirs."""
    entropy: Tensor
    """(L + 1, B, T) nats: how undecided the guess is."""
    target: Tensor | None
    """(L + 1, B, T): the probability of the target, if targets were given; IGNORED ones count as id 0."""
    rank: Tensor | None
    """(L + 1, B, T) int64: how many tokens are likelier than the target."""


def layer_logits(seen: Trace) -> Iterator[tuple[str, Tensor]]:
    """("embed", (B, T, V)), ("blocks.0", (B, T, V)) ... Raises LensError if the trace does not hold the stream."""
    found = [("embed", stream) for layer, stream in layers(seen, "resid_pre") if layer == 0]
    found += [(f"blocks.{layer}", stream) for layer, stream in layers(seen, "resid_post")]
    if len(found) <= len(seen.model.blocks):
        raise LensError('a logit lens reads the stream of every layer; trace with keep=["blocks.*.resid_*"] or more')
    for name, stream in found:
        with torch.no_grad():
            yield name, seen.model.logits(seen.model.final_norm(stream.detach()))


def logit_lens(seen: Trace, targets: Tensor | None = None, k: int = 5) -> LogitLens:
    """What a trace's model would say after each layer; targets (B, T) are the ids that follow."""
    names, rows = list[str](), list[tuple[Tensor, ...]]()
    wanted = None if targets is None else targets.to(seen.ids.device).view_as(seen.ids).clamp(min=0)[..., None]
    for name, logits in layer_logits(seen):
        log_p = logits.float().log_softmax(-1)
        p = log_p.exp()
        likeliest = p.topk(min(k, p.shape[-1]), dim=-1)
        entropy = -(p * log_p.clamp(min=-1e4)).sum(-1)
        row = (likeliest.indices, likeliest.values, entropy)
        if wanted is not None:
            its = p.gather(-1, wanted)
            row += its[..., 0], (p > its).sum(-1)
        names.append(name)
        rows.append(row)
    top, probabilities, undecided, *of_target = (torch.stack(column) for column in zip(*rows))
    return LogitLens(names, top, probabilities, undecided, *(of_target or [None, None]))
