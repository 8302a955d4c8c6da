"""Every layout beside one process: `python tests/parallel/divided.py OUT.json [pattern]` starts two and then four
processes once and writes, for each layout, how far it is from one process. tests/parallel/test_divided.py reads that.

The processes are forked after the imports, which take longer than a layout.
"""

import json
import os
import re
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from glassformer.errors import SettingError
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.parallel import Mesh, Parallel, parallelize
from glassformer.parallel.cost import Sent, Work, traffic
from glassformer.parallel.pipeline import SCHEDULES, Pipeline, gathered
from glassformer.parallel.shards import local
from glassformer.parallel.stages import TWO
from glassformer.train.activations import checkpoint_activations
from glassformer.train.optimizer.adamw import Config as AdamW
from glassformer.train.ranks import Ranks

STEPS, ROWS, T, V = 5, 8, 16, 37
SHAPES = ["n_layer=2", "n_embd=16", "n_head=4", "n_kv_head=2", f"vocab_size={V}", f"context_length={T}"]
MODELS = {
    "full": [],
    "gpt2": ["n_kv_head=4", "bias=true", "position=learned", "norm=layernorm", "mlp=gelu"],
    "sliding": ["mixers=sliding,full", "mixer=sliding", "mixer.window=5", "mixer.qk_norm=rmsnorm", "position=relative"],
    "sparse": ["mixers=block_sparse,strided", "mixer=block_sparse", "mixer.block=4", "position=alibi"],
    "linear": ["mixer=linear", "residual=sandwich"],
    "moe": ["mlp=moe", "mlp.n_hidden=8"],
    "mamba": ["mixer=mamba"],
    "untied": ["head=untied", "absent=[[3,5],[30,36]]", "logit_softcap=5"],
    "pointer": ["head=pointer", "embed=ngram", "embed.rows=10", "residual=parallel"],
    "multi": ["head=multi_token"],
    "deep": ["n_layer=4"],
    "deep_moe": ["n_layer=4", "mlp=moe", "mlp.n_hidden=8"],
}


def config(name: str) -> GPTConfig:
    return GPTConfig().override(*SHAPES, *MODELS[name])


def batch(step: int, packed: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Rows of very different lengths, some of whose tokens are masked, and one of which is masked throughout."""
    g = torch.Generator().manual_seed(step)
    ids, targets = (torch.randint(6, 30, (ROWS, T), generator=g) for _ in range(2))
    for row in range(ROWS):
        targets[row, int(torch.randint(2, T + 1, (), generator=g)) :] = IGNORED
    targets[torch.rand(ROWS, T, generator=g) < 0.2] = IGNORED
    targets[step % ROWS] = IGNORED
    return ids, targets, (torch.rand(ROWS, T, generator=g) < 0.2).long().cumsum(1) if packed else None


def train(
    model: Any, inner: nn.Module, mesh: Mesh | None, rows: int, packed: bool, fault: str = "", sent: Any = None
) -> list[Any]:
    """(loss, gradient norm before clipping) of each step, in micro-batches of so many rows. `sent` counts the last step."""
    optimizer, curve = AdamW().build(inner), []
    count, rank = (mesh.count, mesh.rank) if mesh else (1, 0)
    for step in range(STEPS):
        ids, targets, documents = batch(step, packed)
        each = ROWS // count
        micros = [
            (ids[i : i + rows], targets[i : i + rows], None if documents is None else documents[i : i + rows])
            for i in range(rank * each, (rank + 1) * each, rows)
        ]
        counted = (targets != IGNORED).sum()
        if fault == "mean of means":
            counted = count * sum((micro[1] != IGNORED).sum() for micro in micros)
        with sent if sent and step == STEPS - 1 else nullcontext():
            loss = passes(model, micros, counted)
        if mesh is None:
            norm = nn.utils.clip_grad_norm_(inner.parameters(), 0.5)
        else:
            loss = mesh.sum(loss, "replicate", "shard", device=torch.device("cpu"))
            elsewhere = getattr(model, "counted_elsewhere", ())
            norm = Ranks(mesh).clip(list(inner.parameters()), 0.5, inner.kernels, elsewhere)
            if fault == "local norm":
                squares = torch.stack([local(p.grad).square().sum() for p in inner.parameters()]).sum()
                distributed.all_reduce(squares)
                norm = squares.sqrt()
        for group in optimizer.param_groups:
            group["lr"] = 1e-2
        optimizer.step()
        inner.zero_grad()
        curve.append((loss, norm.item()))
    return curve


def passes(model: Any, micros: list[Any], counted: Any) -> float:
    if isinstance(model, Pipeline):
        return model.passes(micros, lambda nats, i: nats.sum() / counted)
    total = 0.0
    for i, (ids, targets, documents) in enumerate(micros):
        last = i == len(micros) - 1
        if hasattr(model, "set_requires_gradient_sync"):
            model.set_requires_gradient_sync(last)
        with torch.enable_grad() if last or not hasattr(model, "no_sync") else model.no_sync():
            loss = model(ids, targets=targets, documents=documents).sum() / counted
            loss.backward()
        total += loss.item()
    return total


@cache
def one_process(name: str, rows: int, packed: bool) -> tuple[Any, Any, Any]:
    model = GPT(config(name)).double().train()
    curve = train(model, model, None, rows, packed)
    model.eval()
    with torch.no_grad():
        return curve, model.state_dict(), model(*batch(99, False)[:2])


def compare(name: str, settings: dict, rows: int = 4, packed: bool = False, every: int = 0, fault: str = "") -> dict:
    """One layout: the largest differences from one process."""
    curve, weights, nats = one_process(name, rows, packed)
    setup = Parallel.parse(settings)
    mesh = Mesh(setup.layout(distributed.get_world_size()), "cpu")
    model = checkpoint_activations(GPT(config(name)).double().train(), every)
    wrapped = parallelize(model, mesh, setup)
    if fault == "untied":  # what torch's `parallelize_module` leaves behind
        apart = nn.Parameter(model.embed.weight.detach().clone())
        model.head.scores = lambda embedding: apart
    ours = train(wrapped, model, mesh, rows, packed, fault, sent := Sent())
    found = {
        "loss": max(abs(a[0] - b[0]) for a, b in zip(ours, curve)),
        "norm": max(abs(a[1] - b[1]) / b[1] for a, b in zip(ours, curve)),
    }
    if fault:
        return found
    work = Work(ROWS // mesh.count // rows, rows, T, number=8, weight=8, wide=8)
    formula = traffic(GPT(config(name)), mesh.layout, setup, work, mesh.at("pipeline"), mesh.at("tensor"))
    found |= {"sent": sent.bytes, "formula": formula.total, "operations": dict(sent.operations)}
    found["parts"] = dict(formula.bytes)
    full = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in model.state_dict().items()}
    if isinstance(wrapped, Pipeline):
        assert set(full) < set(weights)
        full = gathered(full, wrapped.group)
    if distributed.get_rank() == 0:
        assert full.keys() == weights.keys()
        found["weights"] = max((full[n] - weights[n]).abs().max().item() for n in full)
    model.eval()
    with torch.no_grad():
        found["evaluated"] = (wrapped(*batch(99, False)[:2]) - nats).abs().max().item()
        if not isinstance(wrapped, Pipeline):
            found["generated"] = generated(wrapped)
    return found


def generated(model: Any) -> float:
    """How far the logits read token by token, with a cache, are from those of one pass."""
    ids = batch(7, False)[0][:2, :4]
    inner = getattr(model, "module", model)
    memory, whole = inner.make_cache(2, T), model(ids)
    each = torch.cat([model(ids[:, t : t + 1], cache=memory) for t in range(4)], 1)
    return torch.where(whole == each, 0, whole - each).abs().max().item()


def layouts() -> dict[int, list[tuple[str, dict, dict]]]:
    """The layouts for so many processes: model, settings, and how it is trained."""
    line = {"pipeline": 2}
    return {
        2: [
            *((name, {"tensor": 2}, {}) for name in MODELS if "deep" not in name),
            *((name, {"tensor": 2, "sequence": True}, {}) for name in ("full", "gpt2", "sliding", "linear", "pointer")),
            *((name, {"context": 2}, {}) for name in ("linear", "mamba", "multi", "full")),
            *((name, {"context": 2}, {"packed": True}) for name in ("gpt2", "sliding", "sparse", "moe", "pointer")),
            ("moe", {"tensor": 2, "sequence": True}, {"every": 1}),
            ("moe", {"context": 2}, {"every": 1}),
            *(("deep", {**line, "schedule": s}, {"rows": 1, "packed": True, "every": 1}) for s in SCHEDULES),
            *(("deep_moe", {**line, "schedule": s}, {"rows": 2}) for s in ("1f1b", "interleaved1f1b", "zbvzerobubble")),
            *((name, line, {}) for name in MODELS if "deep" not in name and name not in ("full", "moe")),
            ("full", {**line, "schedule": "interleaved1f1b"}, {}),
            ("deep", {**line, "schedule": "dualpipev"}, {}),
            ("full", {"tensor": 2}, {"fault": "untied"}),
            ("full", {"tensor": 2}, {"fault": "local norm"}),
            ("full", {"data": 2}, {"fault": "mean of means"}),
        ],
        4: [
            *((name, {"tensor": 2, "data": 2}, {}) for name in ("full", "moe")),
            *((name, {"tensor": 2, "data": 2, "shard": True}, {}) for name in ("gpt2", "moe")),
            ("sliding", {"tensor": 2, "data": 2, "shard": True, "sequence": True}, {"every": 1}),
            *((name, {"tensor": 2, "context": 2, "sequence": True}, {}) for name in ("full", "moe")),
            ("moe", {"context": 2, "data": 2}, {}),
            ("moe", {"context": 2, "data": 2, "shard": True}, {"every": 1}),
            ("full", {**line, "context": 2}, {}),
            *(("full", {**line, "tensor": 2, "sequence": s}, {"rows": 2, "every": int(s)}) for s in (False, True)),
            ("moe", {**line, "data": 2}, {"rows": 2}),
            *(("deep", {**line, "data": 2, "schedule": s}, {"rows": 1}) for s in ("interleaved1f1b", "zbvzerobubble")),
            *(("deep", {**line, "data": 2, "shard": True, "schedule": s}, {"rows": 1}) for s in ("gpipe", "1f1b", *TWO)),
            ("full", {"tensor": 4}, {}),
        ],
    }


def work(rank: int, world: int, folder: Path, pattern: str) -> None:
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / f"store{world}"), world)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(minutes=2))
    found: dict[str, Any] = {}
    for name, settings, more in layouts()[world]:
        key = f"{name}, {world} processes: {_words(settings)}" + (f"; {_words(more)}" if more else "")
        if not re.search(pattern, key):
            continue
        began = time.process_time()
        try:
            found[key] = compare(name, settings, **more)
        except SettingError as refused:
            found[key] = {"refused": str(refused)}
        except Exception:
            found[key] = {"failed": traceback.format_exc()}
        found[key]["seconds"] = time.process_time() - began
        print(rank, key, found[key], flush=True)
        if "failed" in found[key]:  # the others may wait for this one
            break
    if rank == 0 or any("failed" in f for f in found.values()):
        (folder / f"{world}.{rank}.json").write_text(json.dumps(found))
    os._exit(0)


def _words(settings: dict) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def main(out: Path, pattern: str = "") -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in layouts():
            children = []
            for rank in range(world):
                child = os.fork()
                if not child:
                    work(rank, world, Path(folder), pattern)
                children.append(child)
            for child in children:
                os.waitpid(child, 0)
            for path in sorted(Path(folder).glob(f"{world}.*.json"), reverse=True):
                found |= json.loads(path.read_text())
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
