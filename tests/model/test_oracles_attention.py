"""Kinds of attention and of positions give the logits and gradients of the models of `transformers` that have them."""

import pytest
from torch import Tensor, nn

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig

from .test_oracles import check_same, shake

transformers = pytest.importorskip("transformers")
SIZES = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
LLAMA = {
    **SIZES, "max_position_embeddings": 32, "intermediate_size": 56, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    "num_key_value_heads": 2, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
OURS = {"vocab_size": 97, "context_length": 32, "n_layer": 3, "n_head": 4, "n_embd": 32, "residual": "pre"}
BOTH = pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])


def llama_like(theirs: nn.Module, position: dict, mixer: dict | str, maths) -> None:
    """Copy the weights over by name and compare; Llama, Mistral and Qwen3 share their layout."""
    slots = {"norm": "rmsnorm", "head": "untied", "mlp": {"name": "swiglu", "n_hidden": 56}}
    ours = GPT(GPTConfig.parse({**OURS, **slots, "n_kv_head": 2, "position": position, "mixer": mixer}), maths).eval()
    replace = {
        "model.embed_tokens": "embed", "model.norm": "final_norm", "lm_head": "head.lm_head", "model.layers": "blocks",
        "input_layernorm": "mixer_norm", "post_attention_layernorm": "mlp_norm", "self_attn": "mixer",
    }  # fmt: skip
    source = {}
    for name, p in shake(theirs).named_parameters():
        for part, here in replace.items():
            name = name.replace(part, here)
        source[name] = p
    compare(ours, theirs, source)


def compare(ours: GPT, theirs: nn.Module, source: dict[str, Tensor]) -> None:
    ours.load_state_dict({name: p.detach().contiguous() for name, p in source.items()}, strict=True)
    whole = dict(ours.named_parameters())
    check_same(ours, theirs, [(whole[name], p) for name, p in source.items() if p.is_leaf])


ROPES = {
    "linear": ({"rope_type": "linear", "factor": 4.0}, {"name": "linear", "factor": 4.0}),
    "yarn": (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8},
        {"name": "yarn", "factor": 4.0},
    ),
    "yarn_with_bounds": (
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 100, "beta_fast": 6.0, "beta_slow": 2.0},
        {"name": "yarn", "factor": 8.0, "original": 100, "fast": 6.0, "slow": 2.0},
    ),
    "llama3": (
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 64},
        {"name": "llama3", "factor": 8.0, "original": 64},
    ),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("kind", ROPES)
def test_llama_with_scaled_rope(maths, kind):
    its, ours = ROPES[kind]
    config = transformers.LlamaConfig(**LLAMA, rope_parameters={"rope_theta": 5000.0, **its})
    position = {"name": "rope", "base": 5000.0, "scaling": ours}
    llama_like(transformers.LlamaForCausalLM(config), position, "full", maths)


@BOTH
@pytest.mark.parametrize("window", [1, 5, 31, 64])
def test_mistral_slides(maths, window):
    rope = {"rope_type": "default", "rope_theta": 5000.0}
    config = transformers.MistralConfig(**LLAMA, rope_parameters=rope, sliding_window=window)
    config._attn_implementation = "eager"
    mixer = {"name": "sliding", "window": window}
    llama_like(transformers.MistralForCausalLM(config), {"name": "rope", "base": 5000.0}, mixer, maths)


@BOTH
def test_qwen3_norms_queries_and_keys(maths):
    rope = {"rope_type": "default", "rope_theta": 5000.0}
    config = transformers.Qwen3Config(**LLAMA, head_dim=8, rope_parameters=rope, attention_bias=False)
    mixer = {"name": "full", "qk_norm": "rmsnorm"}
    llama_like(transformers.Qwen3ForCausalLM(config), {"name": "rope", "base": 5000.0}, mixer, maths)


@BOTH
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_gpt_neox_turns_a_share_of_each_head(maths, share):
    theirs = shake(
        transformers.GPTNeoXForCausalLM(
            transformers.GPTNeoXConfig(
                **SIZES, max_position_embeddings=32, intermediate_size=64, hidden_act="gelu_new",
                use_parallel_residual=False, tie_word_embeddings=False, layer_norm_eps=1e-5,
                rope_parameters={"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": share},
            )
        )
    )  # fmt: skip
    slots = {"norm": "layernorm", "mlp": {"name": "gelu", "n_hidden": 64}, "head": "untied", "bias": True}
    position = {"name": "rope", "base": 5000.0, "rotary_fraction": share}
    ours = GPT(GPTConfig.parse({**OURS, **slots, "position": position}), maths).eval()
    t = dict(theirs.named_parameters())
    embed = next(p for name, p in t.items() if name.startswith("gpt_neox.embed_in"))
    head = next(p for name, p in t.items() if not name.startswith("gpt_neox."))
    source = {"embed.weight": embed, "head.lm_head.weight": head}
    layout = {
        "mixer_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm", "mixer.o_proj": "attention.dense",
        "mlp.up_proj": "mlp.dense_h_to_4h", "mlp.down_proj": "mlp.dense_4h_to_h",
    }  # fmt: skip
    for kind in ("weight", "bias"):
        source[f"final_norm.{kind}"] = t[f"gpt_neox.final_layer_norm.{kind}"]
        for i in range(3):
            layer = f"gpt_neox.layers.{i}"
            for here, name in layout.items():
                source[f"blocks.{i}.{here}.{kind}"] = t[f"{layer}.{name}.{kind}"]
            heads = t[f"{layer}.attention.query_key_value.{kind}"].unflatten(0, (4, 3, 8))  # (H, 3, D, ...)
            for part, name in enumerate(("q_proj", "k_proj", "v_proj")):
                source[f"blocks.{i}.mixer.{name}.{kind}"] = heads[:, part].flatten(0, 1)
    compare(ours, theirs, source)


@BOTH
@pytest.mark.parametrize("n_head", [4, 2, 8, 6])
def test_mpt_falls_off_with_distance(maths, n_head):
    width = 8 * n_head
    theirs = transformers.MptForCausalLM(
        transformers.MptConfig(d_model=width, n_heads=n_head, n_layers=2, vocab_size=97, max_seq_len=32)
    )
    for block in theirs.transformer.blocks:
        block.ffn.act = nn.GELU(approximate="tanh")  # ours is GPT-2's
    shake(theirs)
    shape = {"n_layer": 2, "n_head": n_head, "n_embd": width}
    slots = {"position": "alibi", "norm": "layernorm", "mlp": "gelu", "head": "tied"}
    ours = GPT(GPTConfig.parse({**OURS, **shape, **slots}), maths).eval()
    t = dict(theirs.named_parameters())
    source = {"embed.weight": t["transformer.wte.weight"], "final_norm.weight": t["transformer.norm_f.weight"]}
    layout = {
        "mixer_norm": "norm_1", "mlp_norm": "norm_2", "mixer.o_proj": "attn.out_proj", "mlp.up_proj": "ffn.up_proj",
        "mlp.down_proj": "ffn.down_proj",
    }  # fmt: skip
    for i in range(2):
        block = f"transformer.blocks.{i}"
        for here, name in layout.items():
            source[f"blocks.{i}.{here}.weight"] = t[f"{block}.{name}.weight"]
        for part, name in zip(t[f"{block}.attn.Wqkv.weight"].chunk(3), ("q_proj", "k_proj", "v_proj")):
            source[f"blocks.{i}.mixer.{name}.weight"] = part
    compare(ours, theirs, source)
