"""Quantized weights: a finished model whose matrices are kept as whole numbers of 8 or 4 bits (kernels/int8.py, int4.py).

    model = quantized(model, bits=4)

The result is a GPT like any other: it reads, writes, is evaluated and saved; it cannot be trained. Matrices and the
embedding are quantized; gains, biases and learned positions stay as they are. A module unpacks its matrix for each call,
which costs little where many tokens are read at once; the decode step (generate/step) multiplies the whole numbers.
Nothing else in this folder knows of it.
"""

import copy
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from glassformer.errors import GlassError
from glassformer.kernels import Kernels, int4, int8, tiles
from glassformer.model.embed.scaled import ScaledEmbedding
from glassformer.model.embedding import Embedding
from glassformer.model.gpt import GPT
from glassformer.model.linear import Linear
from glassformer.model.roles import Leaf, Role

FORMULA = {8: int8, 4: int4}
BITS = tuple(FORMULA)


class Tiled(Leaf):
    """A matrix (n_rows, n_columns) in tiles."""

    roles: ClassVar[dict[str, Role]] = {"bias": "bias"}
    tiles: Tensor
    scales: Tensor

    def __init__(self, bits: int, n_rows: int, n_columns: int):
        super().__init__()
        self.bits, self.n_rows, self.n_columns = bits, n_rows, n_columns
        blocks, groups = -(-n_rows // tiles.ROWS), -(-n_columns // int4.GROUP)
        shape, dtype = ((blocks,), torch.float32) if bits == 8 else ((blocks, groups), torch.bfloat16)
        self.register_buffer("tiles", torch.zeros(blocks, groups, bits, tiles.ROWS, 4, dtype=torch.uint8))
        self.register_buffer("scales", torch.zeros(*shape, tiles.ROWS, dtype=dtype))

    def take(self, weight: Tensor) -> None:
        """Quantize and keep this matrix (n_rows, n_columns)."""
        q, s = FORMULA[self.bits].quantize(weight.detach())
        self.tiles, self.scales = tiles.pack(q, self.bits), tiles.pack_scales(s, self.bits)

    @property
    def weight(self) -> Tensor:
        """The matrix in float32, unpacked at every use."""
        return tiles.weights(self.tiles, self.scales, self.bits, self.n_rows, self.n_columns)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.n_rows} x {self.n_columns}, {self.bits} bits"


class QuantizedLinear(Tiled):
    """y = x W^T + b, W in tiles."""

    def __init__(self, bits: int, n_in: int, n_out: int, bias: bool, kernels: Kernels):
        super().__init__(bits, n_out, n_in)
        self.kernels, self.n_in, self.n_out = kernels, n_in, n_out
        self.bias = nn.Parameter(torch.zeros(n_out), requires_grad=False) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., n_in) -> (..., n_out)."""
        return self.kernels.linear(x, self.weight.to(x.dtype), self.bias)


class QuantizedEmbedding(Tiled):
    """ids -> rows of a table in tiles, times `scale`."""

    def __init__(self, bits: int, n_rows: int, n_embd: int, scale: float):
        super().__init__(bits, n_rows, n_embd)
        self.scale = scale

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., C)."""
        x = tiles.rows(self.tiles, self.scales, self.bits, ids, self.n_columns)
        return x if self.scale == 1 else x * self.scale


def quantized(model: GPT, bits: int) -> GPT:
    """A model with the matrices of this one in 8 or 4 bits; what is not quantized is shared. On `meta` it has shapes only.

    Embeddings of n-grams, and matrices of other classes than `Linear` (adapters, a user's own), stay as they are.
    """
    assert bits in BITS, f"{bits} bits: there are formulas for {BITS}"
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    model = copy.deepcopy(model, shared).eval()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is Linear:
                new = _linear(child, bits)
            elif child is model.embed and isinstance(child, Embedding) and type(child) in (Embedding, ScaledEmbedding):
                new = _embedding(child, bits)
            else:
                continue
            setattr(module, name, new)
    return model


def _linear(linear: Linear, bits: int) -> QuantizedLinear:
    with torch.device(linear.weight.device):
        new = QuantizedLinear(bits, linear.n_in, linear.n_out, linear.bias is not None, linear.kernels)
    if linear.bias is not None:
        new.bias = linear.bias
    if not linear.weight.is_meta:
        new.take(linear.weight)
    return new


def _embedding(embedding: Embedding, bits: int) -> QuantizedEmbedding:
    V, C = embedding.weight.shape
    with torch.device(embedding.weight.device):
        new = QuantizedEmbedding(bits, V, C, math.sqrt(C) if type(embedding) is ScaledEmbedding else 1.0)
    if not embedding.weight.is_meta:
        new.take(embedding.weight)
    return new


def in_bits(model: GPT, bits: int) -> GPT:
    """The same model with weights of 32 bits (float32), 16 (bf16), 8 or 4. Raises GlassError where they are whole numbers
    of other bits already."""
    held = {module.bits for module in model.modules() if isinstance(module, Tiled)}
    if held and held != {bits}:
        raise GlassError(f"the weights of this model have {held.pop()} bits already; leave --bits {bits} out")
    if held or bits in BITS:
        return model if held else quantized(model, bits)
    return model.to(torch.float32 if bits == 32 else torch.bfloat16)
