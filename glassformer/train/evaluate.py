"""Evaluation on held-out text, in loss (nats per token) and in bits per byte.

    bits per byte = sum of nats / ln 2 / sum of bytes

The loss per token depends on how the tokenizer cuts the text; bits per byte do not, so models with different vocabularies
can be compared. A special token stands for 0 bytes, but its nats count.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.train.loss import Loss
from glassformer.train.loss.next_token import NextToken
from glassformer.train.precision import Precision
from glassformer.train.ranks import ALONE, Ranks

NEXT_TOKEN = NextToken()


def byte_lengths(token_bytes: Sequence[bytes]) -> torch.Tensor:
    """(V,) int64: how many bytes each id stands for."""
    return torch.tensor([len(b) for b in token_bytes])


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[Batch], bytes_of: torch.Tensor, precision: Precision, loss: Loss = NEXT_TOKEN,
    ranks: Ranks = ALONE,
) -> dict[str, float]:  # fmt: skip
    """Returns `loss` (its mean), bpb (bits per byte of the next token, whatever the loss is), tokens and bytes, over all
    counted targets of `batches`.

    `bytes_of` is (V,). The model is in evaluation mode meanwhile: no dropout, no auxiliary losses. Several `ranks` divide
    the rows of each batch and return the same.
    """
    was_training = model.training
    model.eval()
    total, counted, nats, tokens, n_bytes = 0.0, 0, 0.0, 0, 0
    for batch in batches:
        targets = batch.targets[batch.targets != IGNORED].cpu()
        tokens, n_bytes = tokens + len(targets), n_bytes + int(bytes_of[targets].sum())
        counted += loss.counted(batch)
        batch = ranks.share(batch).to(precision.device)
        with precision.autocast():
            total += (its := loss.nats(model, batch).double().sum().item())
            nats += its if type(loss) is NextToken else NEXT_TOKEN.nats(model, batch).double().sum().item()
    model.train(was_training)
    total, nats = ranks.sum(total, precision.device), ranks.sum(nats, precision.device)
    return {
        "loss": total / max(1, counted),
        "bpb": nats / math.log(2) / max(1, n_bytes),
        "tokens": tokens,
        "bytes": n_bytes,
    }


RISEN = 1.01
"""A held-out loss this many times the lowest has risen."""


@dataclass
class Lowest:
    """The lowest held-out loss of a run so far. The weights of its step are kept (runs/checkpoint.py)."""

    loss: float | None = None
    step: int = -1
    since: int = 0
    """Evaluations after it, none of which was lower."""
    forgiven: int = 0
    """As many of them came before the run was extended, and do not count for the patience."""
    told: bool = False
    """Whether the user knows that the loss rises."""

    def see(self, step: int, loss: float) -> bool:
        """Take in an evaluation. True, once in a run, when it is the second in a row without a new lowest loss and the loss
        has risen by over 1 %: from here on the model learns its training text by heart."""
        if self.loss is None or loss < self.loss:
            self.loss, self.step, self.since, self.forgiven = loss, step, 0, 0
            return False
        self.since += 1
        rises = not self.told and self.since >= 2 and loss > RISEN * self.loss
        self.told = self.told or rises
        return rises

    def is_old(self, patience: int | None) -> bool:
        """Whether `patience` evaluations or more came after it; never without a patience."""
        return patience is not None and self.since - self.forgiven >= patience


def memorising(lowest: Lowest, loss: float) -> str:
    """What a rising held-out loss means and what helps, for a person."""
    return (
        f"the held-out loss has risen to {loss:.3f} from {lowest.loss:.3f} at step {lowest.step:,}: the model begins to "
        "learn its training text by heart. The weights of the lowest loss are kept and used. More text, a smaller model "
        "(model.n_layer, model.n_embd) or more dropout (model.dropout) help"
    )
