"""`glass plan` beside the truth: peak memory and step time of configurations, planned and then run.

    python bench/plan.py                       all configurations, about ten minutes on a quiet machine of two cores
    python bench/plan.py --only mini --steps 4 those whose name begins so

Each runs in a fresh process: the rise of the peak of resident memory (VmHWM) over what the imports left, and the median
of the steps after the first, through the real Trainer. The plan is made in this process, from a product, a copy and
the recipe alone, and measures the machine anew for each configuration. Memory is compared without the 0.25 GB of the
imports, which would flatter it. Linux only. Prints a table and one JSON line per claim.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from measure import claim
from rich.console import Console
from rich.table import Table

from glassformer.data.batches import Batch
from glassformer.lab.plan import plan
from glassformer.lab.plan.hardware import this
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import Recipe, presets
from glassformer.runs.run import Run
from glassformer.tokenizers import TokenizerRecipe
from glassformer.train.trainer import Trainer

IMPORTS = 0.25e9
"""Bytes of `plan.PROCESS` that are resident before the model is built."""
WIDE = "model.n_embd=384 model.n_head=6"
SHORT = "model.context_length=256 train.micro_batch_size=2 train.grad_accumulation=2"
CONFIGURATIONS = {  # name: preset, precision, settings
    "mini": ("mini", "bf16", ""),
    "mini fp32": ("mini", "fp32", ""),
    "mini adamw": ("mini", "bf16", "train.optimizer=adamw"),
    "mini batch 4": ("mini", "bf16", "train.micro_batch_size=4"),
    "mini batch 32": ("mini", "bf16", "train.micro_batch_size=32"),
    "mini 4 x 4": ("mini", "fp32", "train.micro_batch_size=4 train.grad_accumulation=4"),
    "mini 8 layers": ("mini", "bf16", "model.n_layer=8"),
    "mini wide": ("mini", "fp32", f"{WIDE} train.micro_batch_size=8"),
    "mini long": ("mini", "bf16", "model.context_length=1024 train.micro_batch_size=4"),
    "mini gelu learned": ("mini", "fp32", "model.mlp=gelu model.position=learned train.optimizer=adamw"),
    "mini rmsnorm": ("mini", "bf16", "model.norm=rmsnorm"),
    "mini post": ("mini", "fp32", "model.residual=post model.head=untied"),
    "mini grouped": ("mini", "fp32", "model.n_kv_head=1"),
    "mini sliding": ("mini", "fp32", "model.mixer=sliding model.context_length=512 train.micro_batch_size=8"),
    "mini alibi": ("mini", "fp32", "model.position=alibi"),
    "mini moe": ("mini", "fp32", "model.mlp=moe train.micro_batch_size=8"),
    "shakespeare": ("shakespeare", "bf16", "train.micro_batch_size=16 model.dropout=0"),
    "python": ("python", "fp32", "train.micro_batch_size=4"),
    "python bf16": ("python", "bf16", "train.micro_batch_size=4 tokenizer.vocab_size=16384"),
    "village_stories": ("village_stories", "bf16", "train.micro_batch_size=8"),
    "gpt2 3 layers": ("gpt2", "bf16", f"model.n_layer=3 {SHORT}"),
    "gpt2": ("gpt2", "bf16", "model.context_length=512 train.micro_batch_size=1 train.grad_accumulation=1"),
    "gpt2 checkpointed": ("gpt2", "bf16", f"{SHORT} train.checkpoint_activations=1"),
    "gpt2_5": ("gpt2_5", "bf16", f"{SHORT} train.grad_accumulation=1"),
}  # fmt: skip
TARGETS = {"memory": 0.10, "time": 0.25}


def recipe_of(name: str) -> Recipe:
    preset, precision, words = CONFIGURATIONS[name]
    return presets()[preset]().override(f"train.precision={precision}", *words.split())


def resident(key: str) -> int:
    """Bytes: VmRSS now, VmHWM at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def run(name: str, vocabulary: int, steps: int) -> None:
    """In a process of its own: train, print {"memory": bytes, "time": seconds}."""
    recipe = recipe_of(name).override(f"model.vocab_size={vocabulary}")
    T, rows = recipe.model.context_length, recipe.train.batch_size
    tokenizer, before = TokenizerRecipe.named("byte").train([]), resident("VmRSS")

    def batches(step: int) -> Batch:
        ids = torch.randint(vocabulary, (rows, T + 1), generator=torch.Generator().manual_seed(step))
        return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            GPT(recipe.model).train(), tokenizer, batches, lambda: iter(()), recipe.train,
            Run.create(Path(folder) / "run", recipe.to_json(), {}), recipe_json=recipe.to_json(),
            precision=recipe.train.precision,
        )  # fmt: skip
        seconds = []
        for step in range(steps):
            start = time.perf_counter()
            trainer.update(step)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"memory": resident("VmHWM") - before, "time": median(seconds[1:])}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return run(arguments.one[0], int(arguments.one[1]), arguments.steps)
    table = Table("configuration", "peak MB", "planned", "", "step ms", "planned", "", box=None)
    errors: dict[str, list[float]] = {"memory": [], "time": []}
    for name in (name for name in CONFIGURATIONS if name.startswith(arguments.only)):
        found = plan(recipe_of(name), this())
        planned = {"memory": found.memory.peak - IMPORTS, "time": found.seconds_per_step}
        itself = [sys.executable, __file__, "--steps", str(arguments.steps)]
        command = [*itself, "--one", name, str(found.recipe.model.vocab_size)]
        true = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        off = {what: planned[what] / true[what] - 1 for what in planned}
        for what in errors:
            errors[what].append(off[what])
        table.add_row(
            name, f"{true['memory'] / 1e6:.0f}", f"{planned['memory'] / 1e6:.0f}", f"{off['memory']:+.0%}",
            f"{true['time'] * 1e3:.0f}", f"{planned['time'] * 1e3:.0f}", f"{off['time']:+.0%}",
        )  # fmt: skip
    Console(width=110).print(table)
    for what, target in TARGETS.items():
        within = sum(abs(error) <= target for error in errors[what])
        n, worst = len(errors[what]), round(max(errors[what], key=abs), 3)
        told = f"glass plan, {what} within {target:.0%}"
        claim(told, within, n, "configurations", 1.0, ratio=within / n, worst=worst)


if __name__ == "__main__":
    main()
