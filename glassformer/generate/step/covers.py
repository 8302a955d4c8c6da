"""Which models the decode step can serve: those whose blocks are attention and an MLP, on a CPU, unchanged from outside.

Everything else is read by the module loop, which serves every model.
"""

import torch
from torch import nn

from glassformer.kernels import flexible, fused, plain
from glassformer.model.gpt import GPT
from glassformer.model.head.multi_token import MultiTokenHead
from glassformer.model.head.pointer import PointerHead
from glassformer.model.head.tied import TiedHead
from glassformer.model.head.untied import UntiedHead
from glassformer.model.linear import Linear
from glassformer.model.mixer.full import AllHeads, Attention
from glassformer.model.mixer.sliding import SlidingWindowAttention
from glassformer.model.mlp.geglu import GEGLU
from glassformer.model.mlp.gelu import GELU
from glassformer.model.mlp.gelu_exact import ExactGELU
from glassformer.model.mlp.relu import ReLU
from glassformer.model.mlp.relu2 import ReLU2
from glassformer.model.mlp.swiglu import SwiGLU
from glassformer.model.norm.layernorm import LayerNorm
from glassformer.model.norm.rmsnorm import RMSNorm
from glassformer.model.norm.rmsnorm_zero_centered import ZeroCenteredRMSNorm
from glassformer.model.position import Scheme
from glassformer.model.position.rope import RoPE
from glassformer.model.quantized import QuantizedLinear
from glassformer.model.residual.pre import PreNormBlock

MIXERS = Attention, SlidingWindowAttention
MLPS = GELU, ExactGELU, ReLU, ReLU2, SwiGLU, GEGLU
HEADS = TiedHead, UntiedHead, PointerHead, MultiTokenHead
NORMS = nn.Identity, LayerNorm, RMSNorm, ZeroCenteredRMSNorm
LINEARS = Linear, QuantizedLinear


def uncovered(model: GPT) -> str:
    """Which part keeps the decode step from serving this model, in a few words: "model.mixer=mamba". "" if none does.

    A subclass may compute something else, so a part must be of exactly one of the classes above.
    """
    config = model.config
    if model.device.type != "cpu":
        return f"weights on {model.device.type}"
    if others := {p.dtype for p in model.parameters()} - {torch.float32, torch.bfloat16}:
        return f"weights of type {others.pop()}"
    if model.kernels not in (fused(), flexible(), plain()):
        return "formulas that were replaced"
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return "hooks that watch it"
    if any("forward" in vars(module) for module in model.modules()):
        return "a forward that was replaced"
    for layer, block in enumerate(model.blocks):
        if type(block) is not PreNormBlock:
            return f"model.residual={config.residual.name}"
        if type(block.mixer) not in MIXERS:
            return f"model.mixer={config.mixer_of(layer).name}"
        if type(block.mlp) not in MLPS:
            return f"model.mlp={config.mlp.name}"
        if changed := _changed(block):
            return f"blocks.{layer}.{changed}, which is of another class than the model's own"
    if not _adds_or_rotates(model.position):
        return f"model.position={config.position.name}"
    if type(model.final_norm) not in NORMS:
        return f"model.norm={config.norm.name}"
    if type(model.head) not in HEADS:
        return f"the head {type(model.head).__name__}"
    return ""


def _adds_or_rotates(scheme: Scheme) -> bool:
    """Whether positions are added to the stream, or are rotations by RoPE; the step knows no bias of the scores."""
    kind = type(scheme)
    rotates = kind.rotate_for_softmax is not Scheme.rotate_for_softmax or kind.rotate is not Scheme.rotate
    return kind.bias is Scheme.bias and (kind is RoPE or not rotates)


def _changed(block: nn.Module) -> str:
    """The name of a part of a block that is of no class that is known here; "" if there is none."""
    for name, part in block.named_modules():
        last = name.rpartition(".")[2]
        if last.endswith("_proj") and type(part) not in LINEARS:
            return name
        inner = part.norm if isinstance(part, AllHeads) else part
        if last.endswith("_norm") and type(inner) not in NORMS:
            return name
    return ""
