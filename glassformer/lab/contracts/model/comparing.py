"""What the promises compare: ids, losses, and two tensors, the difference between which is told with its place."""

import torch
from torch import Tensor

from glassformer import kernels
from glassformer.lab.contracts.model.combinations import VOCAB, Combination, lively, model
from glassformer.model.gpt import GPT
from glassformer.model.init import seeded
from glassformer.model.mixer.full import Attention
from glassformer.model.position import Scheme

B, T = 3, 9


def ids(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(VOCAB, shape or (B, T), generator=torch.Generator().manual_seed(seed))


def own(c: Combination, *slots: str) -> bool:
    """Whether the user's file fills one of these slots."""
    return any(c.get(slot, "").endswith(".py") for slot in slots)


def learning(gpt: GPT) -> dict[str, torch.nn.Parameter]:
    """Its parameters; without the table of a relative bias if no mixer has scores that it could be added to."""
    scores = any(isinstance(block.mixer, Attention) for block in gpt.blocks)
    idle = not scores and type(gpt.position).bias is not Scheme.bias
    return {name: p for name, p in gpt.named_parameters() if not (idle and name.startswith("position."))}


def loss_of(gpt: GPT, batch: Tensor, draw: int = 0) -> Tensor:
    """The mean nats of the next token, and the auxiliary losses, in training mode. Whatever is dropped at random is drawn
    from the seed `draw`, as the trainer has it drawn from a seed of the step's number."""
    was_training = gpt.training
    with seeded(draw):
        nats = gpt.train()(batch[:, :-1], batch[:, 1:]).mean()
    gpt.train(was_training)
    return nats


def check(actual: Tensor, expected: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Raises AssertionError naming the worst place; `what` may end in the names of the dimensions: (row, token)."""
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)} instead of {tuple(expected.shape)}"
    off = (actual - expected).abs()
    worst = off.argmax().item() if not off.isnan().any() else off.isnan().flatten().int().argmax().item()
    place = [int(i) for i in torch.unravel_index(torch.tensor(worst), off.shape)]
    what, _, names = what.rstrip(")").rpartition(" (") if what.endswith(")") else (what, "", "")
    named = names.split(", ") if names.count(",") + 1 == len(place) else [f"dimension {d}" for d in range(len(place))]
    where = ", ".join(f"{name} {i}" for name, i in zip(named, place))
    tolerance *= max(1.0, expected.abs().max().item()) if expected.dtype == torch.float64 else 1.0
    assert off.max() <= tolerance, f"{what}: off by {off.max():.3g} at {where} (allowed: {tolerance:g})"


def both(c: Combination) -> list[tuple[GPT, float]]:
    """What equalities are tested on, each with its tolerance: a new float32 model, and a lively one in float64.

    RoPE computes its angles in float32, which lets distances at different places differ by 1e-7.
    """
    return [(model(c), 1e-5), (lively(c), 1e-6)]


def rounding_projections() -> kernels.Kernels:
    """Kernels that round as every bfloat16 model must: inputs, weights and outputs of projections, and nothing else."""

    def rounded(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.bfloat16().to(t.dtype)

    exact = kernels.fused()
    return kernels.replace(exact, linear=lambda *tensors: rounded(exact.linear(*map(rounded, tensors))))


def like(gpt: GPT, other: GPT) -> GPT:
    """`gpt` with the weights of `other`: what is compared then does not depend on how weights are drawn."""
    gpt.load_state_dict(other.state_dict())
    return gpt
