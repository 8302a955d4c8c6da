"""Losses. A loss is a function (model, batch) -> nats per token; the trainer sums, and divides by what counts."""

from torch import Tensor

from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT


def next_token(model: GPT, batch: Batch) -> Tensor:
    """Cross-entropy of each next token: batch (B, T) -> (B*T,) nats, 0 where the target is not counted."""
    logits = model(batch.ids, documents=batch.documents)  # (B, T, V)
    return model.kernels.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
