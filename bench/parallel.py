"""Every layout of several processes beside one process: five steps in float64, with rows of very different lengths.

    python bench/parallel.py                 # the table of docs/parallel.md
    python bench/parallel.py --json out.json

It needs no GPU and no network: the processes are forked on this machine and speak gloo. Each case trains the same model on
the same batches as one process does, and the table shows the largest difference of a loss, of a gradient norm before
clipping, of the held-out loss and of a weight after the last step.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")

import torch
from torch import distributed, multiprocessing

from glassformer import kernels
from glassformer.data.batches import Batch, rows_of
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.parallel import Mesh, Parallel, parallelize
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.tokenizers.char import Char as Characters
from glassformer.train.activations import checkpoint_activations
from glassformer.train.ranks import Ranks
from glassformer.train.trainer import Trainer

STEPS, ROWS, LENGTH = 5, 8, 24
SMALL = (
    "model.n_layer=2", "model.n_head=2", "model.n_embd=32", f"model.context_length={LENGTH}", "model.dropout=0",
    f"train.steps={STEPS}", f"train.micro_batch_size={ROWS}", "train.grad_clip=0.05", "train.learning_rate=0.01",
    "train.schedule.warmup_steps=0", f"train.checkpoint_every={STEPS}", f"train.eval_every={STEPS}", "train.sample_every=0",
    "train.log_every=1",
)  # fmt: skip
MODELS: dict[str, tuple[str, ...]] = {
    "full": (),
    "untied": ("model.head=untied",),
    "sliding": ("model.mixer=sliding", "model.mixer.window=8"),
    "mamba": ("model.mixer=mamba",),
    "deltanet": ("model.mixer=gated_deltanet",),
    "accumulation": ("train.micro_batch_size=2", "train.grad_accumulation=4"),
    "moe": ("model.mlp=moe", "train.micro_batch_size=2", "train.grad_accumulation=4"),
    "checkpointed": ("train.checkpoint_activations=1",),
    "muon": ("train.optimizer=muon",),
    "lion": ("train.optimizer=lion", "train.learning_rate=0.001"),
    "sgd": ("train.optimizer=sgd", "train.learning_rate=0.5"),
    "average": ("train.ema=0.9",),
    "pointer": ("model.head=pointer", "model.embed=ngram", "model.norm=layernorm"),
}
"""What is trained: the settings that differ from a small model with full attention and a tied head."""


@dataclass(frozen=True)
class Case:
    """A model under a layout."""

    layout: str
    processes: int
    model: str = "full"
    settings: dict[str, Any] = field(default_factory=dict)
    wrap: Callable[[GPT, Mesh, Parallel], torch.nn.Module] = parallelize

    @property
    def name(self) -> str:
        return f"{self.layout}, {self.model}"


def naive(model: GPT, mesh: Mesh, config: Parallel) -> torch.nn.Module:
    """The mistake that everybody makes once: the mean of the processes' own means."""
    wrapped = torch.nn.parallel.DistributedDataParallel(model, process_group=mesh.group("replicate"))
    return wrapped


def cases() -> list[Case]:
    """All layouts with all models that they allow."""
    shard, hybrid = {"shard": True}, {"shard": True, "replicate": 2}
    two = [Case("DDP x 2", 2, model) for model in MODELS]
    two += [Case("FSDP x 2", 2, model, shard) for model in MODELS]
    four = [Case("DDP x 4", 4, model) for model in ("full", "accumulation", "moe")]
    four += [Case("FSDP x 4", 4, model, shard) for model in ("full", "accumulation", "muon")]
    four += [Case("HSDP 2 x 2", 4, model, hybrid) for model in MODELS]
    divided = {"tensor": 2, "sequence": True}
    two += [Case("tensor 2", 2, model, divided) for model in ("full", "untied", "moe", "muon", "average")]
    two += [Case("pipeline 2", 2, model, {"pipeline": 2}) for model in ("accumulation", "moe")]
    two += [Case("context 2", 2, model, {"context": 2}) for model in ("full", "sliding", "muon")]
    four += [Case("FSDP 2 x tensor 2", 4, model, {"tensor": 2, **shard}) for model in ("full", "muon")]
    four += [Case("DDP 2 x tensor 2", 4, model, {"tensor": 2}) for model in ("full", "accumulation")]
    four += [Case("DDP 2 x pipeline 2", 4, model, {"pipeline": 2}) for model in ("accumulation", "moe")]
    four += [Case("FSDP 2 x context 2", 4, model, {"context": 2, **shard}) for model in ("full", "accumulation")]
    return [*two, Case("a mean of means x 2", 2, "full", {}, naive), *four]


def recipe_of(model: str) -> Recipe:
    """The recipe of a model's name."""
    return Recipe().override("tokenizer=char", *SMALL, *MODELS[model])


def batch_of(step: int, vocabulary: int) -> Batch:
    """ROWS rows, of which the last counts two targets and the first nearly all."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, vocabulary, (ROWS, LENGTH + 1), generator=generator)
    targets = ids[:, 1:].clone()
    for row in range(ROWS):
        targets[row, max(2, LENGTH - 1 - 4 * row) :] = IGNORED
    return Batch(ids[:, :-1], targets)


def train(case: Case, folder: Path, mesh: Mesh | None, config: Parallel) -> dict[str, Any]:
    """What this process sees of a training: losses, norms, the held-out loss, and the weights if it writes."""
    tokenizer = Characters().train(iter(["the quick brown fox jumps over the lazy dog. "]))
    recipe = recipe_of(case.model).override(f"model.vocab_size={tokenizer.vocab_size}")
    maths = kernels.plain() if case.model == "muon" else kernels.fused()  # `fused` orthogonalises in bf16
    model = GPT(recipe.model, maths, seed=3).double()
    checkpoint_activations(model, recipe.train.checkpoint_activations)
    called = model if mesh is None else case.wrap(model, mesh, config)
    ranks = Ranks(mesh)
    naively = case.wrap is naive and mesh is not None

    def batches(step: int) -> Batch:
        whole = batch_of(step, tokenizer.vocab_size)
        return whole.rows(rows_of(ranks.rank, ranks.count, ROWS))

    run = Run(folder) if mesh and not ranks.writes else Run.create(folder, recipe.to_json(), {"command": "bench"})
    trainer = Trainer(
        called, tokenizer, batches, lambda: iter([batch_of(s, tokenizer.vocab_size) for s in (100, 101)]), recipe.train,
        run, recipe_json=recipe.to_json(), precision="fp32", ranks=Ranks() if naively else ranks,
    )  # fmt: skip
    if naively:
        found = [trainer.update(step)[:2] for step in range(STEPS)]
        return {"losses": [loss for loss, _ in found], "norms": [norm for _, norm in found]}
    trainer.train()
    if not ranks.writes:
        return {}
    lines = run.metrics("train")
    saved = checkpoint.load(folder)
    return {
        "losses": [line["loss"] for line in lines], "norms": [line["grad_norm"] for line in lines],
        "block_norms": [norm for line in lines for norm in line["block_norms"]],
        "held_out": [line["loss"] for line in run.metrics("eval")], "tokens": lines[-1]["tokens"],
        "weights": {**saved.weights(GPT(recipe.model).double()), **saved.optimizer_tensors(), **{
            f"average/{name}": value for name, value in saved.averages().items()}},
    }  # fmt: skip


def process(rank: int, size: int, chosen: list[Case], folder: Path) -> None:
    """One of `size` processes: it trains every case of this size, and the first writes what they give."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    if size > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/rendezvous-{size}", rank=rank, world_size=size,
            timeout=timedelta(seconds=60),
        )  # fmt: skip
    meshes: dict[Any, Mesh] = {}
    for i, case in enumerate(chosen):
        config = Parallel(**case.settings)
        mesh = None
        if size > 1:
            layout = config.layout(size)
            mesh = meshes[layout] = meshes.get(layout) or Mesh(layout, "cpu")
        try:
            found = train(case, folder / f"{size}-{i}", mesh, config)
        except Exception:
            traceback.print_exc()
            raise
        if rank == 0:
            torch.save(found, folder / f"{size}-{i}.pt")
    if size > 1:
        distributed.destroy_process_group()


def measure(chosen: list[Case]) -> list[dict[str, Any]]:
    """The differences of every case from one process."""
    models = list(dict.fromkeys(case.model for case in chosen))
    groups = {1: [Case("one process", 1, model) for model in models]}
    for case in chosen:
        groups.setdefault(case.processes, []).append(case)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for size, some in groups.items():
            multiprocessing.start_processes(process, (size, some, folder), nprocs=size, start_method="fork")
        alone = {case.model: torch.load(folder / f"1-{i}.pt") for i, case in enumerate(groups[1])}
        found = []
        for size, some in list(groups.items())[1:]:
            for i, case in enumerate(some):
                found.append(compared(case, torch.load(folder / f"{size}-{i}.pt"), alone[case.model]))
    return found


def compared(case: Case, found: dict[str, Any], alone: dict[str, Any]) -> dict[str, Any]:
    """The largest difference of each kind; None for what a case does not give."""
    differences = {}
    for kind, expected in alone.items():
        if kind not in found:
            differences[kind] = None
        elif kind == "weights":
            assert found[kind].keys() == expected.keys()
            differences[kind] = max(float((found[kind][n] - w).abs().max()) for n, w in expected.items() if w.numel())
        elif isinstance(expected, list):
            assert len(found[kind]) == len(expected)
            differences[kind] = max(abs(a - b) for a, b in zip(found[kind], expected))
        else:
            differences[kind] = abs(found[kind] - expected)
    return {"layout": case.layout, "model": case.model, "processes": case.processes, **differences}


def table(found: list[dict[str, Any]]) -> str:
    """The differences as a Markdown table."""
    kinds = ("losses", "norms", "held_out", "weights")
    lines = ["| layout | model | loss | gradient norm | held-out loss | weights |", "|---|---|---|---|---|---|"]
    for row in found:
        cells = ["-" if row[kind] is None else f"{row[kind]:.0e}" for kind in kinds]
        lines.append(f"| {row['layout']} | {row['model']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the differences there")
    parser.add_argument("--only", help="layouts or models that hold this word")
    words = parser.parse_args()
    results = measure([case for case in cases() if not words.only or words.only in case.name])
    if words.json:
        words.json.write_text(json.dumps(results, indent=1))
    with contextlib.suppress(BrokenPipeError):
        print(table(results))
