"""Kinds of attention and of positions give the logits and gradients of the models of `transformers` that have them."""

import pytest

from .oracles import BOTH, LLAMA, LLAMA_OURS, ROPE, compare, filled, same, shake

transformers = pytest.importorskip("transformers")
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
    its, scaling = ROPES[kind]
    config = transformers.LlamaConfig(**LLAMA, rope_parameters={**ROPE, **its})
    position = {"name": "rope", "base": 5000.0, "scaling": scaling}
    same(transformers.LlamaForCausalLM(config), {**LLAMA_OURS, "position": position}, maths)


@BOTH
@pytest.mark.parametrize("window", [1, 5, 31, 64])
def test_mistral_slides(maths, window):
    config = transformers.MistralConfig(**LLAMA, rope_parameters=ROPE, sliding_window=window)
    config._attn_implementation = "eager"
    same(transformers.MistralForCausalLM(config), {**LLAMA_OURS, "mixer": {"name": "sliding", "window": window}}, maths)


@BOTH
@pytest.mark.parametrize("n_head", [4, 2, 8, 6])
def test_mpt_falls_off_with_distance(maths, n_head):
    width = 8 * n_head
    theirs = transformers.MptForCausalLM(
        transformers.MptConfig(d_model=width, n_heads=n_head, n_layers=2, vocab_size=97, max_seq_len=32)
    )
    shake(theirs)
    shape = {"n_layer": 2, "n_head": n_head, "n_embd": width}
    slots = {"position": "alibi", "norm": "layernorm", "mlp": "gelu_exact", "head": "tied"}
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
    compare(filled({**shape, **slots}, source, maths), theirs, source)
