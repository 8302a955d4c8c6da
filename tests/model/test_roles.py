"""Roles of parameters: declared by every part, and the same however the model is wrapped or cut up."""

import pytest
import torch
from torch import nn

from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.roles import Leaf, roles_of

from .combinations import CHOICES, Combination, label, model, pairs


class Wrapper(nn.Module):
    """What DDP and adapters do: the model is a submodule."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module


@pytest.mark.parametrize("combination", pairs(), ids=label)
def test_every_parameter_of_every_variant_has_a_declared_role(combination: Combination):
    gpt = model(combination)
    roles = roles_of(gpt)
    assert list(roles) == [name for name, _ in gpt.named_parameters()]
    for path, module in gpt.named_modules():
        own = [name for name, _ in module.named_parameters(recurse=False)]
        assert isinstance(module, Leaf) == bool(own), f"{path} is a Leaf exactly if it holds parameters"
        for name in own:
            assert name in module.roles, f"{path}.{name} has no declared role"
    for name, p in gpt.named_parameters():
        assert (p.ndim == 1) == (roles[name] in ("gain", "bias") or name.endswith("A_log")), (name, roles[name])
    assert roles["embed.weight"] == "embedding"
    writes = {name for name, role in roles.items() if role == "write"}
    assert writes == {name for name in roles if name.endswith(("o_proj.weight", "down_proj.weight"))}


def test_the_roles_of_a_gpt_by_name():
    gpt = GPT(GPTConfig.parse({"n_layer": 1, "bias": True, "head": "untied", "position": "learned", "norm": "layernorm"}))
    assert roles_of(gpt) == {
        "embed.weight": "embedding", "position.table.weight": "embedding", "head.lm_head.weight": "head",
        "final_norm.weight": "gain", "final_norm.bias": "bias",
        **{f"blocks.0.{norm}.weight": "gain" for norm in ("mixer_norm", "mlp_norm")},
        **{f"blocks.0.{norm}.bias": "bias" for norm in ("mixer_norm", "mlp_norm")},
        **{f"blocks.0.mixer.{proj}.weight": "matrix" for proj in ("q_proj", "k_proj", "v_proj")},
        **{f"blocks.0.mixer.{proj}.bias": "bias" for proj in ("q_proj", "k_proj", "v_proj", "o_proj")},
        **{f"blocks.0.mlp.{proj}.weight": "matrix" for proj in ("gate_proj", "up_proj")},
        **{f"blocks.0.mlp.{proj}.bias": "bias" for proj in ("gate_proj", "up_proj", "down_proj")},
        "blocks.0.mixer.o_proj.weight": "write", "blocks.0.mlp.down_proj.weight": "write",
    }  # fmt: skip


@pytest.mark.parametrize("mixer", CHOICES["mixer"])
def test_a_block_a_compiled_model_and_a_wrapped_one_have_the_same_roles(mixer):
    gpt = GPT(GPTConfig.parse({"n_layer": 2, "mixer": mixer, "mlp": "moe", "head": "multi_token"}))
    roles = roles_of(gpt)
    block = {f"blocks.1.{name}": role for name, role in roles_of(gpt.blocks[1]).items()}
    assert block == {name: role for name, role in roles.items() if name.startswith("blocks.1.")}
    assert roles_of(torch.compile(gpt)) == {f"_orig_mod.{name}": role for name, role in roles.items()}
    assert roles_of(Wrapper(gpt)) == {f"module.{name}": role for name, role in roles.items()}
    assert roles_of(Wrapper(gpt).module) == roles


def test_parameters_of_foreign_modules_have_the_nearest_role():
    foreign = nn.ModuleDict({"linear": nn.Linear(3, 4), "norm": nn.LayerNorm(4), "conv": nn.Conv1d(3, 4, 2)})
    foreign["norm"].register_parameter("table", nn.Parameter(torch.zeros(2, 2)))
    assert roles_of(foreign) == {
        "linear.weight": "matrix", "linear.bias": "bias", "norm.weight": "bias", "norm.bias": "bias", "norm.table": "other",
        "conv.weight": "other", "conv.bias": "bias",
    }  # fmt: skip
