"""Losses. A loss is a function (model, batch) -> nats per token; the trainer sums, and divides by what counts."""

from torch import Tensor

from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT


def next_token(model: GPT, batch: Batch) -> Tensor:
    """Cross-entropy of each next token: batch (B, T) -> (B, T) nats, 0 where the target is not counted.

    In training the model adds its auxiliary losses (load balancing, multi-token prediction).
    """
    return model(batch.ids, targets=batch.targets, documents=batch.documents)
