"""Losses. A loss is a function (model, batch) -> nats per token; the trainer sums, and divides by what counts."""

from torch import Tensor

from glassformer.data.batches import IGNORED, Batch
from glassformer.model.gpt import GPT


def next_token(model: GPT, batch: Batch) -> Tensor:
    """Cross-entropy of each next token: batch (B, T) -> (B*T,) nats, 0 where the target is not counted.

    What parts of the model ask for besides (an even use of experts, tokens further ahead) is added in training.
    """
    x = model.hidden(batch.ids, documents=batch.documents)
    nats = model.kernels.cross_entropy(model.logits(x).flatten(0, 1), batch.targets.flatten())
    extra = model.extra_loss(x, batch.targets, batch.documents) if model.training else None
    return nats if extra is None else nats + extra * (batch.targets.flatten() != IGNORED)
