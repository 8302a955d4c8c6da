"""What the other promises rest on. Each of these names the part and the cause, since all else breaks along with it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.lab.contracts.model.combinations import CONTEXT, VOCAB, Combination, model
from glassformer.lab.contracts.model.comparing import B, T, ids, loss_of
from glassformer.model.gpt import GPT
from glassformer.recipes.rehearsal import cache_of


def fits_its_place(c: Combination) -> None:
    """Each part returns what its slot asks for, and leaves its input as it is."""
    gpt = model(c)
    for layer, block in enumerate(gpt.blocks):
        cache_of(block.mixer, 2, CONTEXT, f"blocks.{layer}.mixer")
    kept = gpt.state_dict()
    for name, _ in gpt.named_buffers():
        assert name in kept, (
            f"the buffer {name} is not saved with the weights (persistent=False), so a loaded model lacks it; save it, "
            "or compute it in forward"
        )
    hooks = [module.register_forward_pre_hook(_remember) for _, module in places(gpt)]
    hooks += [module.register_forward_hook(_compare(name)) for name, module in places(gpt)]
    with torch.no_grad():
        logits = gpt(ids())
        for hook in hooks:
            hook.remove()
        assert logits.shape == (B, T, VOCAB), f"the logits have shape {tuple(logits.shape)} instead of {(B, T, VOCAB)}"
        assert logits.dtype == torch.float32, f"the logits of a float32 model are {logits.dtype}"


def the_seed_decides_the_weights(c: Combination) -> None:
    """Two models of one seed have the same weights."""
    one, two = model(c).state_dict(), model(c).state_dict()
    for name, weight in one.items():
        assert torch.equal(weight, two[name]), (
            f"{name} differs between two models of the same seed, so the same command twice trains two models: it is "
            "drawn outside of torch's generator (numpy, random, or a torch.Generator of its own); draw it with torch in "
            "__init__ or reset_parameters"
        )


def the_same_text_gives_the_same_scores(c: Combination) -> None:
    """Evaluation draws no random numbers and remembers nothing; training draws from torch's generator alone."""
    gpt = model(c)
    kept = {name: value.clone() for name, value in gpt.state_dict().items()}
    with torch.no_grad():
        first = _passed(gpt, ids())
        for _ in range(4):  # what is dropped rarely may be kept once
            for name, (x, y) in _passed(gpt, ids()).items():
                assert torch.equal(y, first[name][1]) or not torch.equal(x, first[name][0]), (
                    f"{name} gives two outputs for the same input in evaluation: random numbers belong into "
                    "`if self.training:`, and what is remembered into the cache"
                )
        for name, value in gpt.state_dict().items():
            assert torch.equal(value, kept[name]), f"{name} changes when the model is evaluated"
        losses = {loss_of(gpt, ids(), draw=3).item() for _ in range(6)}  # two may be alike by chance
    assert len(losses) == 1, (
        "in training, the same step gives two losses: a part draws random numbers outside of torch's default generator, "
        "which the trainer seeds before each step, so a resumed run is another one; use torch.rand without a generator"
    )


def every_token_gives_finite_scores(c: Combination) -> None:
    """No token, at any place, gives NaN or infinity, nor a gradient that is."""
    gpt = model(c)
    batch = (torch.arange(VOCAB)[:, None] + torch.arange(CONTEXT)) % VOCAB  # each token at each place
    for name, (_, output) in _passed(gpt, batch).items():
        if not output.isfinite().all():
            row, place = (~output.isfinite()).flatten(2).any(-1).nonzero()[0].tolist()
            raise AssertionError(f"{name} gives NaN or infinity for token {int(batch[row, place])} at position {place}")
    loss_of(gpt, batch).backward()
    for name, p in gpt.named_parameters():
        assert p.grad is None or p.grad.isfinite().all(), f"the gradient of {name} is NaN or infinite"


BASIS = [
    fits_its_place, the_seed_decides_the_weights, every_token_gives_finite_scores, the_same_text_gives_the_same_scores,
]  # fmt: skip


def places(gpt: GPT) -> Iterator[tuple[str, nn.Module]]:
    """The modules that fill slots, by name, each before those that hold it."""
    yield "embed", gpt.embed
    for layer, block in enumerate(gpt.blocks):
        for part in ("mixer_norm", "mixer", "mlp_norm", "mlp"):
            if isinstance(module := getattr(block, part, None), nn.Module):
                yield f"blocks.{layer}.{part}", module
        yield f"blocks.{layer}", block
    yield "final_norm", gpt.final_norm
    yield "head", gpt.head


def _passed(gpt: GPT, batch: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What each part is given and what it returns, (B, T, ...), in the order in which they end."""
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            found[f"{name} ({type(module).__name__})"] = inputs[0].detach(), _tensor(output).detach()

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in places(gpt)]
    try:
        gpt(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _tensor(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _remember(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    module.__dict__["_seen"] = [(x, x._version) for x in inputs if isinstance(x, Tensor)]


def _compare(name: str) -> Any:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        kind, seen = f"{name} ({type(module).__name__})", module.__dict__.pop("_seen")
        for x, version in seen:
            assert x._version == version, f"{kind} changes its input in place; work on a copy (x = x * 2, not x *= 2)"
        y = _tensor(output)
        assert isinstance(y, Tensor), f"{kind} returns a {type(y).__name__}, not a tensor"
        x = seen[0][0]
        if not name.endswith(("embed", "head")):
            assert y.shape == x.shape, f"{kind} returns {tuple(y.shape)} for an input of {tuple(x.shape)}"
            assert y.dtype == x.dtype, f"{kind} returns {y.dtype} for an input in {x.dtype}; end with y.to(x.dtype)"

    return hook
