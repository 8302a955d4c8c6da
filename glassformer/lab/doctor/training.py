"""Whether whole models train and write on this machine: their parts work together as they do in float64 and in `plain`.

step      the loss, and the weights after a step, with the fused kernels in fp32 and the plain ones in fp64
decoding  the scores of a text that is read token by token with a cache, and at once
drawing   how often each token is drawn, and its probability
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from glassformer.config import variants
from glassformer.generate.sampling import SamplingConfig, choose, pipeline
from glassformer.kernels import Kernels, plain
from glassformer.lab.doctor import Check
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.train.optimizer import Optimizer, set_learning_rate

SHAPE = {"vocab_size": 40, "context_length": 96, "n_layer": 2, "n_head": 2, "n_embd": 16, "init": "fan_in"}
MODELS = {
    "attention, RoPE, SwiGLU": {},
    "sliding and block-sparse attention, experts": {"mixers": "sliding,block_sparse", "mlp": "moe"},
    "mamba and gated DeltaNet, pointer": {"mixers": "mamba,gated_deltanet", "head": "pointer"},
}
"""Models that together use most kernels, and what they add to SHAPE."""
CLOSE = 1e-3
"""The largest relative difference of a loss, of an update and of scores between fp32 and fp64."""
DRAWS, STANDARD = 4000, 5.0
"""Tokens that are drawn, and how many standard deviations a frequency may be off."""


def checks(maths: Kernels, device: torch.device) -> Iterator[Check]:
    """One answer for each model, and one for drawing."""
    for name, more in MODELS.items():
        config = GPTConfig.parse(SHAPE | more)
        try:
            wrong = _step(config, maths, device) or _decoding(config, maths, device)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            yield Check(name, "broken", wrong, "the broken kernels above are the likely cause")
        else:
            yield Check(name, "good", f"a step with each of {len(variants(Optimizer))} optimizers, and decoding")
    worst = _drawing(device)
    said = f"{DRAWS:,} tokens drawn, frequencies within {worst:.1f} standard deviations of their probabilities"
    yield Check("drawing tokens", "good" if worst <= STANDARD else "broken", said)


def _ids() -> Tensor:
    return torch.randint(40, (2, 97), generator=torch.Generator().manual_seed(0))


def _updated(
    config: GPTConfig, optimizer: str, maths: Kernels, dtype: torch.dtype, device: torch.device
) -> tuple[float, Tensor]:
    """(loss, the change of all weights) of one step in evaluation mode, which draws no random numbers."""
    model = GPT(config, maths, seed=1).to(device, dtype).eval()
    before = torch.cat([p.detach().double().cpu().flatten() for p in model.parameters()])
    made, ids = Optimizer.named(optimizer).build(model), _ids().to(device)
    loss = model(ids[:, :-1], targets=ids[:, 1:]).mean()
    loss.backward()
    set_learning_rate(made, 0.01)
    made.step()
    after = torch.cat([p.detach().double().cpu().flatten() for p in model.parameters()])
    return loss.item(), after - before


def _step(config: GPTConfig, maths: Kernels, device: torch.device) -> str:
    """What is wrong with a step; "" if nothing is."""
    for optimizer in variants(Optimizer):
        expected, found = (
            _updated(config, optimizer, kernels, dtype, on)
            for kernels, dtype, on in ((plain(), torch.float64, torch.device("cpu")), (maths, torch.float32, device))
        )
        if not abs(found[0] - expected[0]) <= CLOSE * expected[0]:
            return f"the loss is {found[0]:.4f} and should be {expected[0]:.4f}"
        # Muon's product runs in bf16, and AdamW and Lion take the sign of gradients that may be 0 but for rounding.
        cosine = torch.nn.functional.cosine_similarity(found[1], expected[1], 0).item()
        if not cosine > 0.98:
            return f"a step of {optimizer} goes elsewhere: the cosine with the right one is {cosine:.3f}"
    return ""


@torch.no_grad()
def _decoding(config: GPTConfig, maths: Kernels, device: torch.device) -> str:
    model, ids = GPT(config, maths, seed=1).to(device).eval(), _ids().to(device)[:, :32]
    whole, cache = model(ids), model.make_cache(2, 32)
    parts = torch.cat([model(piece, cache=cache) for piece in (ids[:, :20], *ids[:, 20:].split(1, 1))], 1)
    off = ((parts - whole).abs().max() / whole.abs().max()).item()
    return "" if off <= CLOSE else f"read token by token, scores differ by {off:.2g} from those read at once"


def _drawing(device: torch.device) -> float:
    """By how many standard deviations a frequency is off, at most."""
    z = torch.linspace(-2, 2, 12, device=device).repeat(DRAWS, 1)
    draws = torch.rand(DRAWS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = choose(z, pipeline(SamplingConfig(temperature=0.8)), None, draws).cpu()
    p = (z[0].double().cpu() / 0.8).softmax(0)
    frequency = torch.bincount(drawn, minlength=12).double() / DRAWS
    return ((frequency - p) / (p * (1 - p) / DRAWS).sqrt()).abs().max().item()
