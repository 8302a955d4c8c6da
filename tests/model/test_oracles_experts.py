"""A mixture of experts gives the logits and gradients of `transformers`' Mixtral on random weights."""

import pytest
import torch
from torch import Tensor

from glassformer.model.gpt import GPT, GPTConfig

from .oracles import BOTH, LLAMA, OURS, check_same, shake

transformers = pytest.importorskip("transformers")


@BOTH
@pytest.mark.parametrize(("n_expert", "n_active"), [(4, 2), (3, 1), (4, 4)])
def test_mixtral_has_the_same_experts(maths, n_expert, n_active):
    rope = {"rope_type": "default", "rope_theta": 5000.0}
    experts = {"num_local_experts": n_expert, "num_experts_per_tok": n_active, "sliding_window": None}
    theirs = shake(transformers.MixtralForCausalLM(transformers.MixtralConfig(**LLAMA, rope_parameters=rope, **experts)))
    slots = {
        "norm": "rmsnorm", "head": "untied", "n_kv_head": 2, "position": {"name": "rope", "base": 5000.0},
        "mlp": {"name": "moe", "n_hidden": 56, "n_expert": n_expert, "n_active": n_active},
    }  # fmt: skip
    ours = GPT(GPTConfig.parse({**OURS, **slots}), maths).eval()
    names = {
        "model.embed_tokens": "embed", "model.norm": "final_norm", "lm_head": "head.lm_head", "model.layers": "blocks",
        "input_layernorm": "mixer_norm", "post_attention_layernorm": "mlp_norm", "self_attn": "mixer",
        "mlp.gate.": "mlp.router.",
    }  # fmt: skip
    source: dict[str, Tensor] = {}
    for name, p in theirs.named_parameters():
        for part, here in names.items():
            name = name.replace(part, here)
        if name.endswith("gate_up_proj"):
            for e, (gate, up) in enumerate(t.chunk(2) for t in p.unbind()):
                source[name.replace("gate_up_proj", f"{e}.gate_proj.weight")] = gate
                source[name.replace("gate_up_proj", f"{e}.up_proj.weight")] = up
        elif name.endswith("experts.down_proj"):
            for e, down in enumerate(p.unbind()):
                source[name.replace("down_proj", f"{e}.down_proj.weight")] = down
        else:
            source[name] = p
    ours.load_state_dict({name: p.detach().contiguous() for name, p in source.items()}, strict=True)
    whole = dict(ours.named_parameters())
    check_same(ours, theirs, [(whole[name], p) for name, p in source.items() if p.is_leaf])
    for layer, block in enumerate(theirs.model.layers):
        gradient = block.mlp.experts.down_proj.grad
        for e in range(n_expert):
            mine = whole[f"blocks.{layer}.mlp.experts.{e}.down_proj.weight"].grad
            mine = torch.zeros_like(gradient[e]) if mine is None else mine
            torch.testing.assert_close(mine, gradient[e], rtol=1e-3, atol=1e-6)
