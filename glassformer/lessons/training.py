"""The training loop in ten lines, for lessons that train a small model while the reader waits.

`train/trainer.py` is the real one: it evaluates, saves, resumes, and divides batches. This one returns the losses.
"""

from collections.abc import Callable

from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT
from glassformer.train.optimizer import Optimizer, set_learning_rate
from glassformer.train.schedule.cosine import Cosine


def learn(
    model: GPT, batches: Callable[[int], Batch], steps: int, learning_rate: float = 1.5e-2, optimizer: str = "muon"
) -> list[float]:
    """Train the model in place, with warmup and a cosine, gradients clipped to norm 1. Returns each step's loss in nats per
    token. Muon learns most in a few hundred steps; the other optimizers want other learning rates."""
    updates, schedule = Optimizer.named(optimizer).build(model), Cosine(warmup_steps=max(1, steps // 20))
    losses = []
    model.train()
    for step in range(steps):
        batch = batches(step)
        nats = model(batch.ids, batch.targets, documents=batch.documents)
        loss = nats.sum() / (batch.targets >= 0).sum()
        loss.backward()
        model.kernels.clip([p for p in model.parameters() if p.grad is not None], 1.0)
        set_learning_rate(updates, learning_rate * schedule.factor(step, steps))
        updates.step()
        updates.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses
