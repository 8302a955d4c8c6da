"""Where a decision is made: patch every layer and place in turn, and see which of them changes the answer (causal tracing:
Meng et al., 2022; Wang et al., 2022, "Interpretability in the Wild").

Two texts of equal length differ in one word: "Mia lost her kite ..." and "Tom lost his kite ...". One value of the second,
put into the pass of the first, turns its answer into that of the second if the model reads the difference from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.seam import Seam, Visitor, evaluating
from glassformer.lens.trace import Trace, readable
from glassformer.model.gpt import GPT


@dataclass(frozen=True)
class Sweep:
    """The answer with each value patched."""

    names: list[str]
    """(N): the values, in the order of the model."""
    scores: Tensor
    """(N, T): the score with this value patched at this place."""
    before: float
    """The score of the text itself."""
    after: float
    """That of the other text."""

    @property
    def shares(self) -> Tensor:
        """(N, T): how much of the way to the other text's score: 0 for none of it, 1 for all."""
        return (self.scores - self.before) / (self.after - self.before)


@torch.no_grad()
def sweep(
    model: GPT, ids: Tensor | Sequence[int], source: Trace, score: Callable[[Tensor], Tensor], names: str = "*.resid_post"
) -> Sweep:  # fmt: skip
    """Put each value of `source`, the trace of another text of T tokens, into the pass of `ids` (T,), one place at a time.

    `score` takes logits (B, T, V) to one number for each row, (B,), such as the lead of "she" over "he" at the last token.
    `names` is a glob over values with one vector for each token: "*.resid_post", "*.mlp.out", "*.mixer.z". Raises LensError
    if the texts have different lengths, or if the source holds no such value.
    """
    ids = readable(model, ids)
    T = ids.shape[1]
    if len(ids) != 1 or source.ids.shape != ids.shape:
        raise LensError(f"the texts must be one row each and equally long; they are {tuple(ids.shape)} and "
                        f"{tuple(source.ids.shape)}")  # fmt: skip
    found = [name for name in source.names(names) if name in source.values]
    if not found:
        raise LensError(f"the trace of the other text holds no value called {names!r}; make it with keep={names!r}")
    rows = ids.expand(T, -1)  # in row t, place t is patched
    scores = []
    with evaluating(model):
        for name in found:
            with Seam(model, _Diagonal(name, source.values[name])):
                scores.append(score(model(rows)))
        before = float(score(model(ids)))
    return Sweep(found, torch.stack(scores), before, float(score(source.logits)))


class _Diagonal(Visitor):
    """Writes the value of another text at place t of row t."""

    def __init__(self, name: str, source: Tensor):
        self.name, self.source = name, source

    def visit(self, name: str, value: Tensor) -> Tensor:
        if name != self.name:
            return value
        place = torch.arange(len(value), device=value.device)
        new = value.clone()
        if value.ndim == 4:  # (B, H, T, D)
            new[place, :, place] = self.source[0].transpose(0, 1)
        else:
            new[place, place] = self.source[0]
        return new
