"""Our Mamba and our delta layer give the numbers of `transformers`' own classes on random weights."""

import pytest
import torch
from torch import Tensor

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.mixer import Mixer
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes

from .oracles import check_same, shake

transformers = pytest.importorskip("transformers")
BOTH = pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])


def mamba_pair(maths, n_state: int, expand: int, bias: bool) -> tuple[GPT, torch.nn.Module, list[tuple[Tensor, Tensor]]]:
    """Ours and theirs with the same numbers, and the parameters that correspond. Our MLPs, which they lack, write 0."""
    theirs = shake(
        transformers.MambaForCausalLM(
            transformers.MambaConfig(
                vocab_size=97, hidden_size=32, num_hidden_layers=3, state_size=n_state, expand=expand, time_step_rank=3,
                layer_norm_epsilon=1e-6, use_bias=bias, tie_word_embeddings=False, use_mambapy=False,
            )
        )
    )  # fmt: skip
    shapes = {"vocab_size": 97, "context_length": 32, "n_layer": 3, "n_head": 4, "n_embd": 32, "bias": bias}
    mixer = {"name": "mamba", "n_state": n_state, "expand": expand, "dt_rank": 3}
    slots = {"mixer": mixer, "position": "none", "norm": "rmsnorm", "residual": "pre", "head": "untied", "mlp": "relu"}
    ours = GPT(GPTConfig.parse({**shapes, **slots}), maths).eval()
    renamed = {"out_proj": "o_proj", "dt_proj": "dt", "conv1d": "conv", "norm": "mixer_norm"}
    source = {}
    for name, p in theirs.named_parameters():
        here = name.replace("backbone.layers", "blocks").replace("lm_head", "head.lm_head")
        here = here.replace("backbone.embeddings", "embed").replace("backbone.norm_f", "final_norm")
        source[".".join(renamed.get(part, part) for part in here.split("."))] = p
    with torch.no_grad():
        whole = dict(ours.named_parameters())
        for name, p in whole.items():
            if name in source:
                p.copy_(source[name].reshape(p.shape))
            else:
                assert ".mlp" in name, f"{name} has no counterpart"
                p.zero_()
    assert source.keys() <= whole.keys()
    return ours, theirs, [(whole[name], p) for name, p in source.items()]


@BOTH
@pytest.mark.parametrize(("n_state", "expand", "bias"), [(16, 2, False), (5, 1, True)])
def test_mamba(maths, n_state, expand, bias):
    ours, theirs, pairs = mamba_pair(maths, n_state, expand, bias)
    pairs = [(a, b) for a, b in pairs if a.ndim == b.ndim]  # A_log lies flat here
    check_same(ours, theirs, pairs)
    for block, layer in zip(ours.blocks, theirs.backbone.layers, strict=True):
        torch.testing.assert_close(
            block.mixer.A_log.grad, layer.mixer.A_log.grad.flatten(), atol=1e-6, rtol=1e-3
        )  # fmt: skip


@BOTH
@pytest.mark.parametrize("T", [1, 7, 64, 150])
def test_the_gated_delta_rule(maths, T):
    """Against both of Qwen3-Next's forms, with a state handed in; theirs divides queries by sqrt(D)."""
    qwen = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    torch.manual_seed(0)
    B, H, D = 2, 3, 8
    q, k, v = torch.randn(3, B, H, T, D)
    k = torch.nn.functional.normalize(k, dim=-1)
    beta, log_alpha, state = torch.rand(B, H, T), -torch.rand(B, H, T), torch.randn(B, H, D, D)
    y, last = maths.gated_delta(q, k, v, beta, log_alpha, state)
    swapped = [t.transpose(1, 2) for t in (q * D**0.5, k, v)]
    gates = {"g": log_alpha.mT, "beta": beta.mT, "initial_state": state, "output_final_state": True}
    for form in (qwen.torch_recurrent_gated_delta_rule, qwen.torch_chunk_gated_delta_rule):
        expected, expected_last = form(*swapped, **gates)
        torch.testing.assert_close(y, expected.transpose(1, 2), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(last, expected_last, atol=1e-5, rtol=1e-5)


@BOTH
@pytest.mark.parametrize("n_head", [1, 4])
@pytest.mark.parametrize("normed", [True, False])
def test_a_whole_delta_layer(maths, n_head, normed):
    """Qwen3-Next's layer, with and without its norm; their queries are shorter by sqrt(D), and so is our o_proj, or eps."""
    qwen = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    C, D = 32, 32 // n_head
    config = transformers.Qwen3NextConfig(
        hidden_size=C, num_hidden_layers=1, linear_num_value_heads=n_head, linear_num_key_heads=n_head,
        linear_key_head_dim=D, linear_value_head_dim=D, linear_conv_kernel_dim=4,
        rms_norm_eps=1e-6 / D,
    )  # fmt: skip
    theirs = shake(qwen.Qwen3NextGatedDeltaNet(config, 0))

    class Gate(torch.nn.Module):
        def forward(self, y, z):
            return y * torch.nn.functional.silu(z)

    if not normed:
        theirs.norm = Gate()
    mixer = Mixer.named("gated_deltanet", o_norm="rmsnorm" if normed else "none")
    ours = mixer.build(Shapes(n_embd=C, n_head=n_head), maths)
    q, k, v, z = theirs.in_proj_qkvz.weight.view(n_head, 4 * D, C).split(D, 1)  # head by head
    b, a = theirs.in_proj_ba.weight.view(n_head, 2, C).unbind(1)
    source = {
        "q_proj.weight": q, "k_proj.weight": k, "v_proj.weight": v, "gate_proj.weight": z, "beta_proj.weight": b,
        "alpha_proj.weight": a, "A_log": theirs.A_log, "dt_bias": theirs.dt_bias, "conv.weight": theirs.conv1d.weight,
        "conv.bias": torch.zeros(3 * C), "o_proj.weight": theirs.out_proj.weight / (1 if normed else D**0.5),
    }  # fmt: skip
    if normed:
        source["o_norm.weight"] = theirs.norm.weight
    shape = {name: p.shape for name, p in ours.named_parameters()}
    ours.load_state_dict({name: p.detach().reshape(shape[name]) for name, p in source.items()}, strict=True)
    x = torch.randn(2, 100, C, generator=torch.Generator().manual_seed(0))
    y = ours(x, Positions.of(100))
    torch.testing.assert_close(y, theirs(x), atol=1e-5, rtol=1e-4)
