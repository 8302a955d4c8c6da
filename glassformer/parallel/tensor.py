"""Tensor parallelism: the processes of a group divide every matrix of a layer, and read the same tokens (Shoeybi et al.,
2019, "Megatron-LM", section 3).

    columns    q_proj k_proj v_proj gate_proj up_proj lm_head     each process computes its heads, or its hidden numbers
    rows       o_proj down_proj                                   each reads what it computed; the outputs are summed
    rows of the vocabulary                                        the embedding, and the head with its cross-entropy

So a mixer or an MLP costs one sum over the group in the forward pass and one in the backward pass. Each module says in
`cuts` how it is divided (model/roles.py); one that does not say is refused by name. What is not divided, such as a
norm, is computed by all processes alike.

With `sequence` the processes also divide the tokens between the mixers and MLPs, where all would compute the same
(Korthikanti et al., 2022). A sum becomes "sum and cut" before and "gather" after, which send as many bytes, and less is
kept for the backward pass. It acts where gradients are computed.

All parameters become DTensors: full tensors by name for checkpoints, and the optimizer updates the local parts. While a
module computes, it sees its local parts as plain tensors (parallel/parts.py), so our kernels run as they are.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor

from glassformer.errors import SettingError
from glassformer.kernels.linear_cross_entropy import Across
from glassformer.model.block import Block
from glassformer.model.embedding import Embedding
from glassformer.model.gpt import GPT
from glassformer.model.mixer.full import AllHeads
from glassformer.parallel.collectives import entered, gathered, own, summed, whole
from glassformer.parallel.parts import Logits, OwnHeads, Part, Row


def divided(model: GPT, mesh: DeviceMesh, sequence: bool = False) -> GPT:
    """The same model, divided over the processes of a one-dimensional mesh; each of them has built it with the same
    weights.

    Its forward pass gives every process the logits or nats of all tokens. `check` says before what cannot be divided.
    """
    group = Division(mesh, sequence)
    vocabulary = group.vocabulary(model.config.vocab_size)
    for module in [m for m in model.embed.modules() if isinstance(m, Embedding)]:
        group.table(module)
    if hasattr(model.head, "cuts"):  # the other stages of a pipeline have none
        group.declared(model.head)
        model.head.forward = Logits(model.head, vocabulary, model.config.vocab_size, mesh.get_group())
    nats = partial(_nats, model.kernels.linear_cross_entropy, vocabulary, mesh.get_group())
    model.kernels = dataclasses.replace(model.kernels, linear_cross_entropy=nats)
    group.declared(model.position)
    model.position.bias = OwnHeads(model.position, model.config.n_head, mesh)  # type: ignore[method-assign]
    for block in model.blocks:
        assert isinstance(block, Block)
        group.block(block)
    group.rest(model)
    if sequence:
        model.embed_dropout.register_forward_hook(group.leaves_whole)
        model.final_norm.register_forward_pre_hook(group.enters_whole)
    return model


def check(model: GPT, n: int) -> None:
    """Raises SettingError, with the nearest setting that works, if the model cannot be divided among n processes."""
    config = model.config
    given = f"parallel.tensor={n}"
    if config.dropout:
        raise SettingError(
            f"{given}: with model.dropout={config.dropout:g} the processes would drop different numbers of one tensor; "
            "set model.dropout=0, or use parallel.data"
        )
    for name, heads in {"model.n_head": config.n_head, "model.n_kv_head": config.key_heads}.items():
        if heads % n:
            raise SettingError(
                f"{given} does not divide {name}={heads}; set {_below(heads, n)} or {name}={-(-heads // n) * n}"
            )
    if -(-config.vocab_size // n) * (n - 1) >= config.vocab_size:
        raise SettingError(
            f"{given}: a vocabulary of {config.vocab_size} ids has no part for each process; "
            f"set {_below(config.vocab_size, n)}"
        )
    for module in model.embed.modules():
        if not isinstance(module, Embedding) and any(True for _ in module.parameters(recurse=False)):
            raise SettingError(f"{given} cannot divide the embedding {type(model.embed).__name__}; set model.embed=token")
    _check_cuts(model.head, "model.head=tied", given, n)
    _check_cuts(model.position, "model.position=rope", given, n)
    for layer, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        mixer = config.mixer_of(layer).name
        _check_cuts(block.mixer, f"model.mixer=full instead of {mixer}", given, n)
        _check_cuts(block.mlp, f"model.mlp=swiglu instead of {config.mlp.name}", given, n)


def _check_cuts(module: nn.Module, instead: str, given: str, n: int) -> None:
    """Refuse a module that does not say how it is divided, or does not say it of all its parameters."""
    cuts = getattr(module, "cuts", None)
    if cuts is None or any(name.split(".")[0] not in cuts for name, _ in module.named_parameters()):
        raise SettingError(
            f"{given} cannot divide {type(module).__name__}, which does not say how (`cuts`); use parallel.data, "
            f"parallel.shard or parallel.pipeline, or set {instead}"
        )
    for name, cut in cuts.items():
        child = getattr(module, name)
        if isinstance(child, AllHeads):
            raise SettingError(
                f"{given}: model.mixer.qk_norm_over=all_heads normalises all heads of a token together, and each process "
                "has some of them; set model.mixer.qk_norm_over=head, or use parallel.data"
            )
        if cut == "inside":
            for inner in child:
                _check_cuts(inner, instead, given, n)
        elif cut == "columns" and child.n_out % n and name != "lm_head":  # the vocabulary may end with a smaller part
            raise SettingError(
                f"{given} does not divide the width {child.n_out} of {name} in {type(module).__name__}; "
                f"set {_below(child.n_out, n)} or model.mlp.n_hidden={-(-child.n_out // n) * n}"
            )


def _below(size: int, n: int) -> str:
    """The setting with the largest number of processes, at most n, that divides `size`."""
    return f"parallel.tensor={max(d for d in range(1, n + 1) if size % d == 0)}"


class Division:
    """Divides the modules of a model over the processes of one mesh."""

    def __init__(self, mesh: DeviceMesh, sequence: bool):
        self.mesh, self.group, self.sequence = mesh, mesh.get_group(), sequence

    @property
    def splits(self) -> bool:
        """Whether the tokens between mixers and MLPs are divided in this call."""
        return self.sequence and torch.is_grad_enabled()

    def block(self, block: Block) -> None:
        """A mixer and an MLP, and the norms around them."""
        for unit in (block.mixer, block.mlp):
            if "inside" in unit.cuts.values():  # type: ignore[union-attr]
                self.declared(unit)
                if self.sequence:
                    unit.register_forward_pre_hook(self.enters_whole)
                    unit.register_forward_hook(self.leaves_whole)
            else:
                unit.register_forward_pre_hook(self.enters)
                self.declared(unit, splits=True)
        self.rest(block, sums=self.sequence)

    def declared(self, module: nn.Module, splits: bool = False) -> None:
        """Divide the parts of a module as its `cuts` say; `splits`: its outputs may be divided by tokens."""
        for name, cut in module.cuts.items():  # type: ignore[union-attr]
            child = getattr(module, name)
            if cut == "columns":
                self.place(child, {"weight": Shard(0), "bias": Shard(0)}, Part(child, self.group))
            elif cut == "rows":
                row = Row(child, self.group, (lambda: self.splits) if splits else lambda: False)
                self.place(child, {"weight": Shard(1)}, row)
            elif cut == "inside":
                for inner in child:
                    inner.register_forward_pre_hook(lambda m, args: (entered(args[0], self.group), *args[1:]))
                    self.declared(inner)
            else:
                self.rest(child, sums=cut == "shared")

    def rest(self, module: nn.Module, sums: bool = False) -> None:
        """Every parameter below a module that is not divided yet: all processes have all of it. `sums`: each process
        computes another share of its gradient."""
        for leaf in module.modules():
            if any(not isinstance(p, DTensor) for p in leaf._parameters.values() if p is not None):
                self.place(leaf, {}, Part(leaf, self.group, sums))

    def table(self, module: Embedding) -> None:
        """An embedding of which each process has some rows."""
        rows = self.vocabulary(len(module.weight))
        look_up = partial(_look_up, module.kernels.embedding, rows)
        module.kernels = dataclasses.replace(module.kernels, embedding=look_up)
        self.place(module, {"weight": Shard(0)}, Part(module, self.group))

    def place(self, leaf: nn.Module, placements: dict[str, Placement], forward: Callable[..., Any]) -> None:
        """Make DTensors of the parameters, with these placements (Replicate if there is none)."""
        for name, p in leaf._parameters.items():
            if p is not None:
                part = distribute_tensor(p.data, self.mesh, [placements.get(name, Replicate())], src_data_rank=None)
                leaf.register_parameter(name, nn.Parameter(part, requires_grad=p.requires_grad))
        leaf.forward = forward

    def vocabulary(self, rows: int) -> Across:
        """The part of a table with so many rows that this process has."""
        widest = -(-rows // self.mesh.size())

        def most(t: Tensor) -> Tensor:
            t = t.clone()
            distributed.all_reduce(t, distributed.ReduceOp.MAX, group=self.group)
            return t

        return Across(self.mesh.get_local_rank() * widest, widest, most, lambda t: summed(t, self.group))

    def enters(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Before a divided mixer or MLP: x (B, T, C), of which every process computes another part."""
        x, *rest = args
        return (gathered(x, 1, self.group) if self.splits else entered(x, self.group)), *rest

    def enters_whole(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Before a module that all processes compute alike: x with all tokens."""
        x, *rest = args
        return (whole(x, 1, self.group) if self.splits else x), *rest

    def leaves_whole(self, module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
        """After it: each process goes on with its own tokens."""
        if not self.splits:
            return out
        x, *rest = out if isinstance(out, tuple) else (out,)
        if x.shape[1] % self.mesh.size():
            raise SettingError(
                f"parallel.sequence=true divides the {x.shape[1]} tokens of a row among parallel.tensor={self.mesh.size()} "
                f"processes; choose a length that is a multiple of {self.mesh.size()}, or set parallel.sequence=false"
            )
        x = own(x, 1, self.group)
        return (x, *rest) if isinstance(out, tuple) else x


def _look_up(inner: Callable[..., Tensor], rows: Across, ids: Tensor, weight: Tensor) -> Tensor:
    """`kernels.embedding` with some rows of the table: 0 for the ids of other processes, and the sum over all of them."""
    row, here = rows.mine(ids, len(weight))
    return rows.sum(inner(row, weight).masked_fill(~here[..., None], 0))


def _nats(
    inner: Callable[..., Tensor], vocabulary: Across, group: distributed.ProcessGroup, x: Tensor, weight: DTensor,
    targets: Tensor, cap: float | None = None, absent: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`kernels.linear_cross_entropy` with some rows of the head's weights."""
    rows = weight.to_local()
    absent = None if absent is None else absent[vocabulary.first :][: len(rows)]
    return inner(entered(x, group), rows, targets, cap, absent, vocabulary)
