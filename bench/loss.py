"""The loss of a linear head in chunks beside the same formula with all logits at once: time and memory.

    python bench/loss.py                  at the shapes of `mini` and of GPT-2, in bf16 on one thread
    python bench/loss.py --threads 2 --rounds 9

Time is CPU seconds of the loss with its gradients, the median of interleaved rounds, so that other work on the machine
counts little. Memory is what a step adds to the peak of a fresh process. Linux only. One JSON line per claim.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch
from measure import claim
from torch import Tensor

from glassformer.kernels import cross_entropy, linear, linear_cross_entropy, softcap

SHAPES = {"mini": (4096, 192, 2048), "gpt2": (512, 768, 50304)}  # tokens, width, vocabulary


def whole(x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    return linear_cross_entropy.plain(
        x, weight, targets, linear=linear.fused, softcap=softcap.fused, cross_entropy=cross_entropy.fused
    )


FORMS = {"whole": whole, "chunks": linear_cross_entropy.fused}


def step(form: str, x: Tensor, weight: Tensor, targets: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        nats = FORMS[form](x, weight, targets)
    (nats.sum() / len(targets)).backward()
    x.grad = weight.grad = None


def inputs(shape: str) -> tuple[Tensor, Tensor, Tensor]:
    N, C, V = SHAPES[shape]
    x, weight = torch.empty(N, C).normal_(), torch.empty(V, C).normal_(0, 0.02)  # in place: temporaries would hide a peak
    return x.requires_grad_(), weight.requires_grad_(), torch.randint(V, (N,))


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak(shape: str, form: str) -> float:
    """MB, in a process of its own."""
    command = [sys.executable, __file__, "--one", shape, form]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        shape, form = arguments.one
        given, before = inputs(shape), resident("VmRSS")
        step(form, *given)
        print((resident("VmHWM") - before) / 1024)
        return
    for shape in SHAPES:
        given = inputs(shape)
        seconds: dict[str, list[float]] = {form: [] for form in FORMS}
        for _ in range(arguments.rounds):
            for form, times in seconds.items():
                start = time.process_time()
                step(form, *given)
                times.append(time.process_time() - start)
        times = {form: median(seconds[form]) for form in FORMS}
        memory = {form: peak(shape, form) for form in FORMS}
        for form in FORMS:
            print(f"{shape:6} {form:8} {1000 * times[form]:6.0f} ms of CPU  {memory[form]:6.0f} MB")
        for what, found in (("CPU seconds", times), ("peak memory", memory)):
            claim(f"loss of {shape} in chunks, {what}", found["chunks"], found["whole"], "all logits", 1.0)


if __name__ == "__main__":
    main()
