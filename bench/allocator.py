"""What the memory allocator costs a training step of 124M parameters: GPT-2's shape, batch 2 x 256, bf16.

    python bench/allocator.py                       three rounds, about ten minutes on two quiet cores
    python bench/allocator.py --rounds 1 --steps 2 --layers 2     a quick look

Each form is a fresh process, and they take turns: as it is; with freed memory kept (`train.allocator=keep`); the same
with huge pages (THP_MEM_ALLOC_ENABLE=1 in the environment, which PyTorch reads). Medians of all steps after the first.
Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from measure import claim

FORMS = {"system": {}, "keep": {}, "keep, huge pages": {"THP_MEM_ALLOC_ENABLE": "1"}}
ROWS, T, V = 2, 256, 50304


def one(form: str, steps: int, layers: int) -> None:
    """In a process of its own: print seconds of each step after the first, its page faults, and the peak in MB."""
    from resource import RUSAGE_SELF, getrusage

    from glassformer.system.allocator import keep_freed_memory

    if form != "system":
        assert keep_freed_memory(), "glibc only"
    import torch

    from glassformer.model.gpt import GPT, GPTConfig
    from glassformer.train.optimizer import Optimizer, set_learning_rate

    shape = {"vocab_size": V, "context_length": T, "n_layer": layers, "n_head": 12, "n_embd": 768}
    model = GPT(GPTConfig.parse({**shape, "position": "learned", "norm": "layernorm", "mlp": "gelu"})).train()
    optimizer, parameters = Optimizer.named("adamw").build(model), list(model.parameters())
    set_learning_rate(optimizer, 1e-4)
    ids, seconds, faults = torch.randint(V, (ROWS, T + 1)), [], []
    for _ in range(steps + 1):
        start, before = time.process_time(), getrusage(RUSAGE_SELF).ru_minflt
        with torch.autocast("cpu", torch.bfloat16):
            nats = model(ids[:, :-1], targets=ids[:, 1:])
        (nats.sum() / (ROWS * T)).backward()
        model.kernels.clip(parameters, 1.0)
        optimizer.step()
        model.zero_grad(set_to_none=True)
        seconds.append(time.process_time() - start)
        faults.append(getrusage(RUSAGE_SELF).ru_minflt - before)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds[1:], "faults": faults[1:], "peak": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return one(arguments.one, arguments.steps, arguments.layers)
    found: dict[str, list[dict]] = {form: [] for form in FORMS}
    for _ in range(arguments.rounds):
        for form, environment in FORMS.items():
            itself = [sys.executable, __file__, "--steps", str(arguments.steps), "--layers", str(arguments.layers)]
            done = subprocess.run(
                [*itself, "--one", form], env=os.environ | environment, check=True, capture_output=True, text=True
            )
            found[form].append(json.loads(done.stdout))
    seconds = {form: median(s for run in runs for s in run["seconds"]) for form, runs in found.items()}
    for form, runs in found.items():
        faults, peak = median(f for run in runs for f in run["faults"]), max(run["peak"] for run in runs)
        print(f"{form:17} {seconds[form]:6.2f} CPU s a step, {faults:9,.0f} page faults, {peak:6,.0f} MB at the peak")
    for form in FORMS:
        if form != "system":
            claim(f"124M training step, allocator: {form}, CPU seconds", seconds[form], seconds["system"], "system", 1.0)


if __name__ == "__main__":
    main()
