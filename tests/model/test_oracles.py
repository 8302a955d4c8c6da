"""Our parts put together as GPT-2 and as Llama give the logits and gradients of `transformers`' own classes."""

import pytest
import torch
from torch import Tensor

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig

transformers = pytest.importorskip("transformers")
SHAPES = {"vocab_size": 97, "context_length": 32, "n_layer": 3, "n_head": 4, "n_embd": 32}
BOTH = pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])


def shake(model: torch.nn.Module) -> torch.nn.Module:
    """Random numbers everywhere, biases and norms too, so that no part can be missing unnoticed."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.1 + (0 if p.ndim > 1 else 0.5))
    return model.eval()


def check_same(ours: GPT, theirs: torch.nn.Module, pairs: list[tuple[Tensor, Tensor]]) -> None:
    ids = torch.randint(SHAPES["vocab_size"], (3, 32), generator=torch.Generator().manual_seed(1))
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


@BOTH
@pytest.mark.parametrize("head", ["tied", "untied"])
def test_gpt2(maths, head):
    theirs = shake(
        transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=97, n_positions=32, n_embd=32, n_layer=3, n_head=4, tie_word_embeddings=head == "tied"
            )
        )
    )
    slots = {"position": "learned", "norm": "layernorm", "mlp": "gelu", "residual": "pre", "head": head}
    ours = GPT(GPTConfig.parse({**SHAPES, **slots, "bias": True}), maths).eval()
    t = dict(theirs.named_parameters())
    source = {"embed.weight": t["transformer.wte.weight"], "position.table.weight": t["transformer.wpe.weight"]}
    if head == "untied":
        source["head.lm_head.weight"] = t["lm_head.weight"]
    for kind in ("weight", "bias"):
        source[f"final_norm.{kind}"] = t[f"transformer.ln_f.{kind}"]
        for i in range(3):
            h, block = f"transformer.h.{i}", f"blocks.{i}"
            source[f"{block}.mixer_norm.{kind}"] = t[f"{h}.ln_1.{kind}"]
            source[f"{block}.mlp_norm.{kind}"] = t[f"{h}.ln_2.{kind}"]
            for name, part in zip(("q_proj", "k_proj", "v_proj"), t[f"{h}.attn.c_attn.{kind}"].chunk(3, -1)):
                source[f"{block}.mixer.{name}.{kind}"] = part.T if kind == "weight" else part
            for name, part in (
                ("mixer.o_proj", "attn.c_proj"),
                ("mlp.up_proj", "mlp.c_fc"),
                ("mlp.down_proj", "mlp.c_proj"),
            ):
                p = t[f"{h}.{part}.{kind}"]
                source[f"{block}.{name}.{kind}"] = p.T if kind == "weight" else p
    ours.load_state_dict({name: p.detach().contiguous() for name, p in source.items()}, strict=True)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    whole = dict(ours.named_parameters())
    check_same(ours, theirs, [(whole[name], p) for name, p in source.items() if p.is_leaf])


@BOTH
@pytest.mark.parametrize("n_kv_head", [1, 2, 4])
def test_llama(maths, n_kv_head):
    theirs = shake(
        transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=97, max_position_embeddings=32, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
                num_key_value_heads=n_kv_head, intermediate_size=56, rms_norm_eps=1e-6, tie_word_embeddings=False,
                rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
            )
        )
    )  # fmt: skip
    slots = {"position": {"name": "rope", "base": 5000.0}, "norm": "rmsnorm", "residual": "pre", "head": "untied"}
    tree = {**SHAPES, **slots, "mlp": {"name": "swiglu", "n_hidden": 56}, "n_kv_head": n_kv_head}
    ours = GPT(GPTConfig.parse(tree), maths).eval()
    t = dict(theirs.named_parameters())
    renamed = {
        "model.embed_tokens.weight": "embed.weight", "model.norm.weight": "final_norm.weight",
        "lm_head.weight": "head.lm_head.weight",
    }  # fmt: skip
    parts = {"input_layernorm": "mixer_norm", "post_attention_layernorm": "mlp_norm", "self_attn": "mixer"}
    for name in t.keys() - renamed.keys():
        name_here = name.replace("model.layers", "blocks")
        for part, here in parts.items():
            name_here = name_here.replace(part, here)
        renamed[name] = name_here
    ours.load_state_dict({renamed[name]: p.detach() for name, p in t.items()}, strict=True)
    whole = dict(ours.named_parameters())
    check_same(ours, theirs, [(whole[renamed[name]], p) for name, p in t.items()])
