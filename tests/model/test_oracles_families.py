"""Families of models: the settings that make a GPT one of them give the logits and gradients of their own classes."""

import pytest
from torch import Tensor, nn

from glassformer.model.gpt import GPT

from .oracles import BOTH, LLAMA, LLAMA_OURS, NAMES, ROPE, SIZES, compare, filled, same, shake

transformers = pytest.importorskip("transformers")


@BOTH
def test_qwen2_has_biases_on_queries_keys_and_values_alone(maths):
    theirs = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**LLAMA, rope_parameters=ROPE))
    mixer = {"name": "full", "qkv_bias": True}
    same(theirs, {**LLAMA_OURS, "mixer": mixer}, maths)


@BOTH
@pytest.mark.parametrize("head_dim", [4, 8, 16])
def test_qwen3_norms_queries_and_keys_of_heads_of_any_width(maths, head_dim):
    """Narrower, as wide and wider than n_embd / n_head."""
    config = transformers.Qwen3Config(**LLAMA, head_dim=head_dim, rope_parameters=ROPE, attention_bias=False)
    slots = {**LLAMA_OURS, "head_dim": head_dim, "mixer": {"name": "full", "qk_norm": "rmsnorm"}}
    same(transformers.Qwen3ForCausalLM(config), slots, maths)


@BOTH
def test_gemma_scales_embeddings_and_stores_norms_around_zero(maths):
    config = transformers.GemmaConfig(
        **{**LLAMA, "num_key_value_heads": 1, "tie_word_embeddings": True}, head_dim=16, rope_parameters=ROPE,
        hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh",
    )  # fmt: skip
    slots = {
        "embed": "scaled", "norm": "rmsnorm_zero_centered", "mlp": {"name": "geglu", "n_hidden": 56}, "head": "tied",
        "head_dim": 16, "n_kv_head": 1,
    }  # fmt: skip
    same(transformers.GemmaForCausalLM(config), slots, maths)


@BOTH
def test_olmo2_normalises_the_outputs_of_parts_and_all_heads_together(maths):
    theirs = transformers.Olmo2ForCausalLM(transformers.Olmo2Config(**LLAMA, rope_parameters=ROPE))
    slots = {
        "residual": "res_post", "mixer": {"name": "full", "qk_norm": "rmsnorm", "qk_norm_over": "all_heads"},
        **LLAMA_OURS,
    }  # fmt: skip
    names = {
        **NAMES, "post_attention_layernorm": "mixer_norm", "post_feedforward_layernorm": "mlp_norm",
        "q_norm": "q_norm.norm", "k_norm": "k_norm.norm",
    }  # fmt: skip
    same(theirs, slots, maths, names)


@BOTH
def test_phi_reads_one_norm_with_both_parts(maths):
    """GPT-J's residual, with rotary pairs laid out as ours; the bias of its head, which we do not have, is left out."""
    sizes = {**SIZES, "max_position_embeddings": 32, "intermediate_size": 64, "num_key_value_heads": 4}
    config = transformers.PhiConfig(
        **sizes, hidden_act="gelu_new", layer_norm_eps=1e-5, pad_token_id=None, bos_token_id=None, eos_token_id=None,
        rope_parameters={**ROPE, "partial_rotary_factor": 0.5},
    )  # fmt: skip
    theirs = transformers.PhiForCausalLM(config)
    theirs.lm_head.bias = None
    slots = {
        "norm": "layernorm", "bias": True, "residual": {"name": "parallel", "n_norm": 1},
        "mlp": {"name": "gelu", "n_hidden": 64}, "position": {"name": "rope", "base": 5000.0, "rotary_fraction": 0.5},
    }  # fmt: skip
    names = {
        **NAMES, "model.final_layernorm": "final_norm", "mixer.dense": "mixer.o_proj", "mlp.fc1": "mlp.up_proj",
        "mlp.fc2": "mlp.down_proj",
    }  # fmt: skip
    same(theirs, slots, maths, names)


def neox(maths, parallel: bool, share: float, **sizes) -> tuple[GPT, nn.Module, dict[str, Tensor]]:
    """GPT-NeoX with random weights, and ours with the same ones. Its GELU is exact."""
    config = transformers.GPTNeoXConfig(
        **{**SIZES, "max_position_embeddings": 32, "intermediate_size": 64, **sizes}, hidden_act="gelu",
        tie_word_embeddings=False, use_parallel_residual=parallel, layer_norm_eps=1e-5,
        rope_parameters={**ROPE, "partial_rotary_factor": share},
    )  # fmt: skip
    theirs = shake(transformers.GPTNeoXForCausalLM(config))
    slots = {
        "context_length": config.max_position_embeddings, "n_layer": config.num_hidden_layers, "norm": "layernorm",
        "n_head": config.num_attention_heads, "n_embd": config.hidden_size, "bias": True,
        "mlp": {"name": "gelu_exact", "n_hidden": 64}, "residual": "parallel" if parallel else "pre",
        "position": {"name": "rope", "base": 5000.0, "rotary_fraction": share},
    }  # fmt: skip
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
        for i in range(config.num_hidden_layers):
            layer = f"gpt_neox.layers.{i}"
            for here, name in layout.items():
                source[f"blocks.{i}.{here}.{kind}"] = t[f"{layer}.{name}.{kind}"]
            heads = t[f"{layer}.attention.query_key_value.{kind}"].unflatten(0, (config.num_attention_heads, 3, -1))
            for part, name in enumerate(("q_proj", "k_proj", "v_proj")):  # (H, 3, D, ...)
                source[f"blocks.{i}.mixer.{name}.{kind}"] = heads[:, part].flatten(0, 1)
    return filled(slots, source, maths), theirs, source


@BOTH
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("parallel", [True, False])
def test_gpt_neox_reads_two_norms_side_by_side_and_turns_a_share_of_each_head(maths, parallel, share):
    ours, theirs, source = neox(maths, parallel, share)
    compare(ours, theirs, source)
