"""A model and its cache become a `Step`: the addresses of everything that the compiled function reads.

    cache = model.make_cache(1, 512)
    model.last(prompt, cache=cache)             prefill stays in PyTorch
    step = Step(model, cache)
    logits = step.read(id)                      (1, V); the cache holds one token more

The two share the weights and the cache, so a text may go on in either. A change of the weights' values is seen by the
next step; tensors that are replaced by others are not.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glassformer.generate.step import records, vnni
from glassformer.generate.step.covers import uncovered
from glassformer.generate.step.records import LAYER, MODEL, WORK
from glassformer.generate.step.token import step as compiled
from glassformer.model.cache import Cache
from glassformer.model.embed import SeesBefore
from glassformer.model.gpt import GPT
from glassformer.model.head import LooksBack
from glassformer.model.linear import Linear
from glassformer.model.mixer.full import AllHeads
from glassformer.model.mlp import GatedMLP
from glassformer.model.norm.layernorm import LayerNorm
from glassformer.model.norm.rmsnorm_zero_centered import ZeroCenteredRMSNorm
from glassformer.model.position import Scheme
from glassformer.model.position.rope import RoPE
from glassformer.model.quantized import Tiled

ACTIVATIONS = {
    "GELU": records.GELU, "ExactGELU": records.GELU_EXACT, "ReLU": records.RELU, "ReLU2": records.RELU2,
    "SwiGLU": records.SWIGLU, "GEGLU": records.GEGLU,
}  # fmt: skip
ENOUGH = 16_000_000
"""Bytes of weights from which on a second thread is worth waking: a guess."""
SHORT = 32
"""Tokens that a quantized model reads one by one: a guess."""
PLAIN = "GLASSFORMER_PLAIN_INTEGERS"
"""The environment variable that, set to 1, keeps products of whole numbers from using the instruction for them."""


class Step:
    """One slot of a cache, read on token by token."""

    def __init__(self, model: GPT, cache: Cache, slot: int = 0, n_threads: int | None = None, use_vnni: bool | None = None):
        """`n_threads` is as many as PyTorch uses, or one for a small model, if it is None. `use_vnni` chooses the
        instruction for products of whole numbers (None: where the CPU has it)."""
        assert not uncovered(model), f"the decode step cannot serve {uncovered(model)}"
        self.model, self.cache, self.slot = model, cache.at([slot]), slot
        self.looks_back, self.sees_before = isinstance(model.head, LooksBack), isinstance(model.embed, SeesBefore)
        self.adds = type(model.position).add is not Scheme.add
        self.kept: list[Any] = []  # nothing else holds on to what only addresses point at
        self.arrived = np.zeros(1, np.int64)
        self.layers = np.zeros(len(model.blocks), LAYER)
        for record, block, layer in zip(self.layers, model.blocks, cache.layers, strict=False):
            self._fill_layer(record, block, layer)
        self.record = self._model(np.zeros(1, MODEL))
        self.record["vnni"] = vnni.available() and os.environ.get(PLAIN) != "1" if use_vnni is None else use_vnni
        self.n_threads = n_threads or (torch.get_num_threads() if self.n_bytes >= ENOUGH else 1)
        self.work = np.zeros(self.n_threads, WORK)
        for record in self.work:
            self._fill_work(record)
        self.at_once = SHORT if isinstance(model.embed, Tiled) else 1
        """Up to so many tokens are read faster one by one than together by the modules, which unpack every matrix."""
        self.addresses = [array.ctypes.data for array in (self.record, self.layers, self.work)]
        self.others = ThreadPoolExecutor(self.n_threads - 1) if self.n_threads > 1 else None

    @property
    def n_bytes(self) -> int:
        """The weights that one step reads."""
        matrices = [self.layers[name] for name in ("q", "k", "v", "o", "gate", "up", "down")] + [self.record["head"]]
        return int(sum((m["rows"] * m["columns"] * m["bits"]).sum() for m in matrices)) // 8

    @torch.inference_mode()
    def read(self, id: int) -> Tensor:
        """Read one more token -> logits (1, V) of what follows, valid until the next call."""
        if self.adds or self.sees_before or self.looks_back:
            return self._read_with_positions(torch.tensor([[id]]))
        self.x.copy_(self.model.embed(torch.tensor([id]))[0])
        self._run(self.cache.take(1)[0])
        return self.model.limited(self.logits)

    def _read_with_positions(self, ids: Tensor) -> Tensor:
        """`read` for a model with parts that must know where the token stands; PyTorch computes those. ids (1, 1)."""
        model: Any = self.model
        positions = self.cache.advance(1, None, Scheme(), ids.device)
        if self.sees_before:
            x = model.embed(ids, model.embed.before(ids, positions, self.cache.layers[len(model.blocks)]))
        else:
            x = model.embed(ids)
        self.x.copy_(model.position.add(x, positions.index).view(-1))
        self._run(positions.end - 1)
        z = model.limited(self.logits)
        if self.looks_back:
            x = model.final_norm(self.x.to(x.dtype))[None, None]
            z = model.head.mix(z[None], x, model.head.read(x, ids, positions, self.cache.layers[-1]))[0]
        return z

    def _run(self, position: int) -> None:
        """The compiled step, on all threads."""
        self.arrived[0] = 0
        try:
            rest = [
                self.others.submit(compiled, thread, self.n_threads, position, *self.addresses)
                for thread in range(1, self.n_threads) if self.others
            ]  # fmt: skip
        except RuntimeError:  # the system gives no more threads: those that wait for this one must not wait for ever
            self.arrived[0] = 1 << 60
            raise
        compiled(0, self.n_threads, position, *self.addresses)
        for each in rest:
            each.result()

    def _at(self, t: Tensor, dtype: torch.dtype | None = None) -> int:
        """The address of a tensor, which is kept; as float32 if it is of another type and `dtype` says so."""
        t = t.detach().to(dtype or t.dtype).contiguous()
        self.kept.append(t)
        return t.data_ptr()

    def _room(self, n: int) -> int:
        """The address of room for n float32, rounded up to whole tiles."""
        return self._at(torch.zeros(-(-n // 32) * 32))

    def _fill_layer(self, record: Any, block: Any, cache: Any) -> None:
        mixer, mlp = block.mixer, block.mlp
        for name in ("q", "k", "v", "o"):
            self._fill_matrix(record[name], getattr(mixer, f"{name}_proj"))
        gated = isinstance(mlp, GatedMLP)
        for name in ("up", "down", "gate")[: 2 + gated]:
            self._fill_matrix(record[name], getattr(mlp, f"{name}_proj"))
        for name, norm in (("mixer_norm", block.mixer_norm), ("mlp_norm", block.mlp_norm)):
            self._fill_norm(record[name], norm)
        for name, norm in (("q_norm", mixer.q_norm), ("k_norm", mixer.k_norm)):
            self._fill_norm(record[name], norm.norm if isinstance(norm, AllHeads) else norm)
        weight = mixer.k_proj.weight if type(mixer.k_proj) is Linear else torch.empty(0)
        like = weight.new_empty(1, mixer.k_proj.n_out // mixer.head_dim, 1, mixer.head_dim)
        for name, held in zip(("keys", "values"), cache.allocated(like, like), strict=True):
            record[name] = self._at(held[self.slot])
        record["places"] = cache.places

    def _fill_matrix(self, record: Any, module: Any, weight: Tensor | None = None) -> None:
        """Where the matrix of a Linear or a Tiled module lies, or `weight` (rows, columns) without a module."""
        if isinstance(module, Tiled):
            record["bits"], record["rows"], record["columns"] = module.bits, module.n_rows, module.n_columns
            record["weight"], record["scales"] = self._at(module.tiles), self._at(module.scales)
        else:
            held: Any = module.weight if weight is None else weight
            record["bits"] = 8 * held.element_size()
            record["rows"], record["columns"] = held.shape
            record["weight"] = self._at(held)
        bias: Any = getattr(module, "bias", None)
        record["bias"] = 0 if bias is None else self._at(bias, torch.float32)

    def _fill_norm(self, record: Any, norm: nn.Module) -> None:
        if isinstance(norm, nn.Identity):
            record["kind"] = records.NONE
            return
        record["kind"] = records.LAYER_NORM if isinstance(norm, LayerNorm) else records.RMS_NORM
        gain: Any = norm.weight
        bias: Any = getattr(norm, "bias", None)
        record["gain"] = self._at(1 + gain if isinstance(norm, ZeroCenteredRMSNorm) else gain, torch.float32)
        record["bias"] = 0 if bias is None else self._at(bias, torch.float32)
        record["eps"] = norm.eps

    def _model(self, record: Any) -> Any:
        """The MODEL record, filled."""
        model, config = self.model, self.model.config
        block: Any = model.blocks[0]
        H, G, D = config.n_head, config.key_heads, config.head_width
        sizes = {
            "n_layer": len(model.blocks), "n_embd": config.n_embd, "n_head": H, "n_kv_head": G, "head_dim": D,
            "n_hidden": block.mlp.up_proj.n_out, "activation": ACTIVATIONS[type(block.mlp).__name__],
            "norm_all_heads": isinstance(block.mixer.q_norm, AllHeads), "cache_bits": 8 * self._cache_size(),
            "head_scale": config.init.logit_scale(config), "arrived": self.arrived.ctypes.data,
        }  # fmt: skip
        for name, value in sizes.items():
            record[name] = value
        self._fill_norm(record["final_norm"][0], model.final_norm)
        self._fill_head(record["head"][0])
        self._fill_angles(record)
        self.x, self.logits = torch.zeros(-(-config.n_embd // 32) * 32), torch.zeros(1, -(-config.vocab_size // 32) * 32)
        record["x"], record["logits"] = self._at(self.x), self._at(self.logits)
        self.x, self.logits = self.x[: config.n_embd], self.logits[:, : config.vocab_size]
        for name, n in {"q": H * D, "k": G * D, "v": G * D, "y": H * D}.items():
            record[name] = self._room(n)
        record["hidden"], record["gate"] = self._room(block.mlp.up_proj.n_out), self._room(block.mlp.up_proj.n_out)
        return record

    def _cache_size(self) -> int:
        first: Any = self.cache.layers[0]
        return first.k.element_size()

    def _fill_head(self, record: Any) -> None:
        model = self.model
        own = getattr(model.head, "lm_head", None)
        if own is not None:
            self._fill_matrix(record, own)
        elif isinstance(model.embed, Tiled):
            self._fill_matrix(record, model.embed)
        else:
            self._fill_matrix(record, None, model.embedding)

    def _fill_angles(self, record: Any) -> None:
        scheme = self.model.position
        if not isinstance(scheme, RoPE):
            record["cos"] = record["sin"] = self._room(1)
            return
        angles, temperature = scheme.prepare(torch.arange(self.cache.length)), scheme.config.scaling.temperature
        record["turned"] = angles.shape[1]
        record["cos"] = self._at(temperature * angles.cos(), torch.float32)
        record["sin"] = self._at(temperature * angles.sin(), torch.float32)

    def _fill_work(self, record: Any) -> None:
        config, hidden = self.model.config, int(self.record["n_hidden"][0])
        n = max(config.n_embd, config.n_head * config.head_width, hidden)
        for name in ("whole", "whole_scale", "whole_sum", "sums", "h", "queries", "keys"):
            record[name] = self._room(n)
        record["scores"] = self._room(self.cache.length)
