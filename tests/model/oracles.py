"""What the tests against `transformers` share: random weights, names of parts, and the comparison itself."""

import pytest
import torch
from torch import Tensor, nn

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig

SIZES = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
LLAMA = {
    **SIZES, "max_position_embeddings": 32, "intermediate_size": 56, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    "num_key_value_heads": 2, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 5000.0}
OURS = {
    "vocab_size": 97, "context_length": 32, "n_layer": 3, "n_head": 4, "n_embd": 32, "residual": "pre", "mixer": "full",
    "norm": "rmsnorm", "head": "untied", "position": {"name": "rope", "base": 5000.0},
}  # fmt: skip
LLAMA_OURS = {"n_kv_head": 2, "mlp": {"name": "swiglu", "n_hidden": 56}}
NAMES = {
    "model.embed_tokens": "embed", "model.norm": "final_norm", "lm_head": "head.lm_head", "model.layers": "blocks",
    "input_layernorm": "mixer_norm", "post_attention_layernorm": "mlp_norm", "self_attn": "mixer",
}  # fmt: skip
BOTH = pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])


def shake(model: nn.Module) -> nn.Module:
    """Random numbers everywhere, biases and norms too, so that no part can be missing unnoticed."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.1 + (0 if p.ndim > 1 else 0.5))
    return model.eval()


def check_same(ours: GPT, theirs: nn.Module, pairs: list[tuple[Tensor, Tensor]]) -> None:
    ids = torch.randint(97, (3, 32), generator=torch.Generator().manual_seed(1))
    expected = theirs(ids).logits
    logits = ours(ids)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    cache = ours.make_cache(3, 32)
    cached = torch.cat([ours(part, cache=cache) for part in ids.split([20, 1, 1, 10], 1)], 1)
    torch.testing.assert_close(cached, expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (logits * weight).mean().backward(), (expected * weight).mean().backward()
    for mine, its in pairs:
        assert mine.grad is not None and its.grad is not None
        torch.testing.assert_close(mine.grad, its.grad, atol=1e-6, rtol=1e-3)


def renamed(theirs: nn.Module, names: dict[str, str] = NAMES) -> dict[str, Tensor]:
    """Their parameters under our names."""
    source = {}
    for name, p in theirs.named_parameters():
        for part, here in names.items():
            name = name.replace(part, here)
        source[name] = p
    return source


def filled(slots: dict, source: dict[str, Tensor], maths: kernels.Kernels | None = None) -> GPT:
    """Ours with their numbers."""
    ours = GPT(GPTConfig.parse({**OURS, **slots}), maths).eval()
    ours.load_state_dict({name: p.detach().contiguous() for name, p in source.items()}, strict=True)
    return ours


def compare(ours: GPT, theirs: nn.Module, source: dict[str, Tensor]) -> None:
    """Logits, and the gradients of all parameters that they have as one tensor."""
    whole = dict(ours.named_parameters())
    check_same(ours, theirs, [(whole[name], p) for name, p in source.items() if p.is_leaf])


def same(theirs: nn.Module, slots: dict, maths: kernels.Kernels, names: dict[str, str] = NAMES) -> None:
    """With random weights: ours with these settings is theirs."""
    source = renamed(shake(theirs), names)
    compare(filled(slots, source, maths), theirs, source)
