"""Our parts put together as GPT-2 and as Llama give the logits and gradients of `transformers`' own classes."""

import pytest

from .oracles import BOTH, LLAMA, LLAMA_OURS, ROPE, compare, filled, same, shake

transformers = pytest.importorskip("transformers")


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
    ours = filled({**slots, "bias": True}, source, maths)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    compare(ours, theirs, source)


@BOTH
@pytest.mark.parametrize("n_kv_head", [1, 2, 4])
def test_llama(maths, n_kv_head):
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**{**LLAMA, "num_key_value_heads": n_kv_head}, rope_parameters=ROPE)
    )
    same(theirs, {**LLAMA_OURS, "n_kv_head": n_kv_head}, maths)
