"""What changes in training, at one step: losses, who reads whom, each layer's guess, which part said it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.kernels.softmax import plain as softmax
from glassformer.lens.attribution import Attribution, attribute
from glassformer.lens.logit_lens import LogitLens, logit_lens
from glassformer.lens.patterns import Pattern
from glassformer.lens.trace import Trace, next_tokens, trace
from glassformer.model.gpt import GPT
from glassformer.runs import checkpoint, snapshots
from glassformer.system.command import typed

MOST_MOMENTS = 16
"""Steps that a page shows of a training."""
MOST_HEADS = 32
"""Heads, or channels of a scan, that are shown of one layer."""


@dataclass(frozen=True)
class LayerHeads:
    """The heads of one layer that are shown."""

    numbers: list[int]
    """Which: numbers of heads, or of the channels of a scan."""
    n_all: int
    """How many the layer has."""
    weights: Tensor
    """(H, T, T): token t reads token s with weight [h, t, s], and s > t with none."""
    values: Tensor
    """(H, T): the length of the value that is read at each token; of a pointer, how much of what is said next is copied."""
    is_softmax: bool
    """Whether each row is a probability distribution; else weights may be negative."""
    formula: str

    @property
    def are_channels(self) -> bool:
        """Whether they are channels of a scan."""
        return self.formula == "selective_scan"

    def only(self, n: int) -> "LayerHeads":
        """The first n of these heads by the length of what they give out, in the order of their numbers."""
        strength = (self.weights.abs().mean(1) * self.values).sum(-1)
        kept = sorted(strength.argsort(descending=True)[:n].tolist())
        return self.chosen([self.numbers[i] for i in kept])

    def chosen(self, numbers: list[int]) -> "LayerHeads":
        """These heads alone."""
        rows = [self.numbers.index(number) for number in numbers]
        return replace(self, numbers=numbers, weights=self.weights[rows], values=self.values[rows])


@dataclass(frozen=True)
class Moment:
    """One text at one step of a training."""

    step: int
    nats: Tensor
    """(T,): what each token cost; NaN for the first one."""
    top: Tensor
    """(T, k): the likeliest next tokens of the model itself."""
    probabilities: Tensor
    """(T, k): theirs."""
    rank: Tensor
    """(T,): how many tokens the model held likelier than the one that came next."""
    heads: dict[int, LayerHeads]
    """By layer; of the layers that have a pattern, and as one layer more the pointer of a head that copies."""
    lens: LogitLens
    said: dict[str, Attribution]
    """Which part said the token that came ("came"; the likeliest one at the last place) and the likeliest ("likeliest")."""
    left_out: list[str]

    @property
    def loss(self) -> float:
        """The mean nats of all tokens that were predicted."""
        return float(self.nats[1:].mean())


def moment(model: GPT, ids: Tensor, step: int, shown: Mapping[int, list[int]] | None = None, k: int = 5) -> Moment:
    """What a model makes of ids (1, T). `shown` are the heads wanted by layer; without it at most MOST_HEADS of each."""
    targets, left_out = next_tokens(ids), list[str]()
    seen = trace(model, ids, targets, keep=["blocks.*.resid_*", "*.pattern", "head.gate_logit"])
    assert seen.nats is not None
    nats = torch.cat([torch.full((1,), torch.nan), seen.nats[0, :-1].float().cpu()])
    found = dict[int, LayerHeads]()
    for layer, pattern in seen.patterns().items():
        if isinstance(pattern, LensError):
            left_out.append(f"Who reads whom in layer {layer}: {pattern}.")
        else:
            heads = _heads(pattern)
            found[layer] = heads.chosen(shown[layer]) if shown else heads.only(MOST_HEADS)
            if not shown and len(found[layer].numbers) < heads.n_all:
                n, what = len(found[layer].numbers), "channels" if heads.are_channels else "heads"
                left_out.append(f"Layer {layer} shows {n} of its {heads.n_all} {what}, those that give out most.")
    if "head.gate_logit" in seen.values:
        weights, copied = seen["head.pattern"].float().cpu(), seen["head.gate_logit"].float().sigmoid().cpu()
        found[model.config.n_layer] = LayerHeads([0], 1, weights, copied, True, "pointer")
    said, why_not = _said(seen, targets)
    p = softmax(seen.logits[0].float())
    best = p.topk(min(k, p.shape[-1]))
    rank = (p > p.gather(-1, targets[0].clamp(min=0)[:, None])).sum(-1)
    lens = logit_lens(seen, targets, k)
    return Moment(step, nats, best.indices, best.values, rank, found, lens, said, left_out + why_not)


def earlier(run: Path, before: int, most: int = MOST_MOMENTS - 1) -> dict[int, Path]:
    """The snapshots of a run before a step, or else its checkpoints: at most `most`, more of the early ones, since most
    happens early. Raises LensError if it has none."""
    kept = snapshots.steps(run) or {int(path.name): path for path in checkpoint.steps(run / "checkpoints")}
    found = {step: path for step, path in kept.items() if step < before}
    if not found:
        raise LensError(
            f"{run} has no weights of earlier steps, so there is nothing to show over time; train a run that keeps them "
            f"(`{typed('train', 'train.snapshots=true')}`), or look at village-mini, which has some"
        )
    chosen, last = set[int](), max(found)
    for i in range(min(most, len(found))):
        wanted = last * (i / max(1, most - 1)) ** 2
        chosen.add(min(found.keys() - chosen, key=lambda step: abs(step - wanted)))
    return {step: found[step] for step in sorted(chosen)}


def _heads(pattern: Pattern) -> LayerHeads:
    weights, values = pattern.weights[0].float().cpu(), pattern.values[0].float().cpu()
    assert not weights.triu(1).any(), "a language model never reads a later token"
    n = len(weights)
    return LayerHeads(list(range(n)), n, weights, values.norm(dim=-1), pattern.is_softmax, pattern.formula)


def _said(seen: Trace, targets: Tensor) -> tuple[dict[str, Attribution], list[str]]:
    likeliest = seen.logits.argmax(-1)
    came = torch.where(targets < 0, likeliest, targets)
    try:
        return {"came": attribute(seen, came, heads=True), "likeliest": attribute(seen, likeliest, heads=True)}, []
    except LensError as error:
        return {}, [f"Which part said it: {error}."]
