"""Evaluation on held-out text, in loss (nats per token) and in bits per byte.

    bpb = sum of nats / ln 2 / sum of bytes

Loss depends on how the tokenizer cuts; bits per byte does not, so models with different vocabularies can be compared.
A special token stands for 0 bytes, but its nats count.
"""

import math
from collections.abc import Iterable, Sequence

import torch

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.train.loss import next_token
from glassformer.train.precision import Precision


def byte_lengths(token_bytes: Sequence[bytes]) -> torch.Tensor:
    """(V,) int64: how many bytes each id stands for."""
    return torch.tensor([len(b) for b in token_bytes])


@torch.no_grad()
def evaluate(
    model: GPT, batches: Iterable[Batch], bytes_of: torch.Tensor, precision: Precision
) -> dict[str, float]:  # fmt: skip
    """Returns loss (nats per token), bpb (bits per byte), tokens and bytes over all counted targets of `batches`.

    `bytes_of` is (V,). The model is put into evaluation mode and back.
    """
    was_training = model.training
    model.eval()
    nats, tokens, n_bytes = 0.0, 0, 0
    for batch in batches:
        batch = batch.to(precision.device)
        with precision.autocast():
            nats += next_token(model, batch).double().sum().item()
        counted = batch.targets[batch.targets != IGNORED].cpu()
        tokens += len(counted)
        n_bytes += int(bytes_of[counted].sum())
    model.train(was_training)
    return {
        "loss": nats / max(1, tokens),
        "bpb": nats / math.log(2) / max(1, n_bytes),
        "tokens": tokens,
        "bytes": n_bytes,
    }
