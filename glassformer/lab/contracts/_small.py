"""A model and a batch that an optimizer or a loss is tried on."""

import torch
from torch import Tensor

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig

VOCAB = 23


def small_model(seed: int = 0) -> GPT:
    """A GPT of one block, with biases, so that every role of parameter occurs."""
    shape = {"vocab_size": VOCAB, "context_length": 8, "n_layer": 1, "n_head": 2, "n_embd": 16, "bias": True}
    return GPT(GPTConfig.parse(shape), seed=seed).train()


def small_batch(rows: int = 4) -> Batch:
    """Rows of 8 tokens; every third target does not count."""
    ids = torch.randint(VOCAB, (rows, 9), generator=torch.Generator().manual_seed(1))
    targets = ids[:, 1:].clone()
    targets[:, ::3] = IGNORED
    return Batch(ids[:, :-1], targets)


def small_loss(model: GPT, batch: Batch) -> Tensor:
    """The mean nats of the targets that count."""
    return model(batch.ids, targets=batch.targets).sum() / (batch.targets != IGNORED).sum()
