"""Evaluation on held-out text, in loss (nats per token) and in bits per byte.

    bits per byte = sum of nats / ln 2 / sum of bytes

The loss per token depends on how the tokenizer cuts the text; bits per byte do not, so models with different vocabularies
can be compared. A special token stands for 0 bytes, but its nats count.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.train.loss import Loss
from glassformer.train.loss.next_token import NextToken
from glassformer.train.precision import Precision

NEXT_TOKEN = NextToken()


def byte_lengths(token_bytes: Sequence[bytes]) -> torch.Tensor:
    """(V,) int64: how many bytes each id stands for."""
    return torch.tensor([len(b) for b in token_bytes])


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[Batch], bytes_of: torch.Tensor, precision: Precision, loss: Loss = NEXT_TOKEN
) -> dict[str, float]:
    """Returns `loss` (its mean), bpb (bits per byte of the next token, whatever the loss is), tokens and bytes, over all
    counted targets of `batches`.

    `bytes_of` is (V,). The model is in evaluation mode meanwhile: no dropout, no auxiliary losses.
    """
    was_training = model.training
    model.eval()
    total, counted, nats, tokens, n_bytes = 0.0, 0, 0.0, 0, 0
    for batch in batches:
        targets = batch.targets[batch.targets != IGNORED].cpu()
        tokens, n_bytes = tokens + len(targets), n_bytes + int(bytes_of[targets].sum())
        counted += loss.counted(batch)
        batch = batch.to(precision.device)
        with precision.autocast():
            total += (its := loss.nats(model, batch).double().sum().item())
            nats += its if type(loss) is NextToken else NEXT_TOKEN.nats(model, batch).double().sum().item()
    model.train(was_training)
    return {
        "loss": total / max(1, counted),
        "bpb": nats / math.log(2) / max(1, n_bytes),
        "tokens": tokens,
        "bytes": n_bytes,
    }
