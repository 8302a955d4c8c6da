"""Everything that can only be known on a GPU, in one command and under nine minutes.

    python bench/gpu.py                              all stages on the CUDA device
    python bench/gpu.py --stages speed decode        some of them
    python bench/gpu.py --device cpu --quick         a rehearsal on tiny shapes: the paths run, the numbers mean nothing

    correctness   every fused kernel, FlexAttention, every mixer and optimizer, generation with a cache: against CPU float64
    speed         tokens/s and MFU of 124M parameters in bf16, eager and compiled; the loss in chunks of several sizes
    decode        tokens/s and bytes/s of 124M parameters, batch 1 and 8
    sparse        sliding, block and strided attention at 4,096 tokens, chunked and by FlexAttention, beside causal SDPA
    training      a model trained for a few minutes through the real launcher

Each stage is a process with a time limit of its own. One that fails or takes too long is reported, and the next one begins.
Ends with one line of JSON per claim; exits with 1 if a stage failed, and with 2 where there is no GPU.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from gpu_cases import cases
from measure import claim
from torch import Tensor
from window import FLEX, finished, largest_error, variants

from glassformer import kernels
from glassformer.config import variants as variants_of
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.kernels import linear_cross_entropy
from glassformer.lab.plan.hardware import TABLE
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes import build, launch
from glassformer.recipes.measure import Limit
from glassformer.recipes.presets import presets
from glassformer.runs.run import Run
from glassformer.train.optimizer import Optimizer, set_learning_rate

SECONDS = {"correctness": 120, "speed": 120, "decode": 60, "sparse": 80, "training": 150}
"""The time limit of each stage; together under nine minutes."""
TOLERANCE = {torch.float32: 2e-4, torch.bfloat16: 0.06}
"""Relative to the largest number of a tensor. In fp32 a GPU adds up in another order, and exp is less exact."""
GPT2 = {
    "vocab_size": 50304, "context_length": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768,
    "position": "learned", "norm": "layernorm", "mlp": "gelu",
}  # fmt: skip
SMALL = {"vocab_size": 64, "context_length": 64, "n_layer": 2, "n_head": 2, "n_embd": 32}


class Wrong(Exception):
    """A path gives other numbers than the reference."""


def off(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest error, relative to the largest number of its tensor; infinity for what is no number."""
    worst = 0.0
    for a, e in zip(found, expected, strict=True):
        error = (a.detach().double().cpu() - e).abs().max() / max(1e-3, e.abs().max().item())
        worst = max(worst, error.item() if error.isfinite() else float("inf"))
    return worst


def outcome(call: Callable, f: Callable, tensors: list[Tensor]) -> list[Tensor]:
    """The values of a formula, and the gradients of their sum weighted by fixed random numbers."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    out = call(f, *leaves)
    values = [v for v in (out if isinstance(out, tuple) else (out,)) if v.is_floating_point()]
    weights = torch.Generator().manual_seed(0)
    total = sum((v.double() * torch.randn(v.shape, generator=weights).to(v.device)).sum() for v in values)
    return [v.detach() for v in values] + list(torch.autograd.grad(total, leaves))


def correctness(device: torch.device, quick: bool) -> None:
    """Every path on the device against float64 on the CPU."""
    wrong, checked = [], 0

    def check(what: str, run: Callable[[], list[Tensor]], expected: list[Tensor], tolerance: float) -> None:
        nonlocal checked
        try:
            error = off(run(), expected)
        except Exception as failure:  # a path that does not run is reported, and the others are still checked
            error, what = float("inf"), f"{what}: {type(failure).__name__}: {str(failure).splitlines()[0]:.90}"
        checked += 1
        if not error <= tolerance:
            wrong.append(what)
        print(f"  {'ok   ' if error <= tolerance else 'WRONG'} {error:8.1e} {what}", flush=True)

    plain, fused, flexible = kernels.plain(), kernels.fused(), kernels.flexible()
    for name, (shapes, call) in cases(40 if quick else 256).items():
        generator = torch.Generator().manual_seed(0)
        tensors = [torch.randn(shape, generator=generator) for shape in shapes]
        for dtype, tolerance in TOLERANCE.items():
            given = [t.to(dtype) for t in tensors]
            expected = outcome(call, getattr(plain, name), [t.double() for t in given])
            there = [t.to(device) for t in given]
            for kind, maths in (("fused", fused), ("flexible", flexible)):
                if kind == "fused" or getattr(flexible, name) is not getattr(fused, name):
                    run = partial(outcome, call, getattr(maths, name), there)
                    check(f"{name}, {kind}, {str(dtype)[6:]}", run, expected, tolerance)
    ids = torch.randint(64, (2, 33), generator=torch.Generator().manual_seed(0))
    for mixer in variants_of(GPTConfig.model_fields["mixer"].annotation):  # type: ignore
        exact = GPT(GPTConfig.parse({**SMALL, "mixer": mixer}), plain, seed=1)
        there = GPT(exact.config, seed=1).to(device)
        exact = exact.double()
        check(f"model with {mixer}, loss and gradients", partial(_step, there, ids), _step(exact, ids), 1e-3)
        check(f"model with {mixer}, text read token by token", partial(_cached, there, ids), _cached(exact, ids), 1e-3)
    for name in ("adamw", "muon", "sgd", "lion"):
        expected, run = _trained(name, torch.device("cpu"), ids), partial(_trained, name, device, ids)
        check(f"three steps of {name}", run, [t.double() for t in expected], 0.02 if name in ("muon", "lion") else 1e-3)
    claim("paths on the device that agree with float64 on the CPU", checked - len(wrong), checked, "all", 1.0, digits=None,
          ratio=(checked - len(wrong)) / checked)  # fmt: skip
    if wrong:
        raise Wrong(f"{len(wrong)} of {checked} paths: {'; '.join(wrong)}")


def _step(model: GPT, ids: Tensor) -> list[Tensor]:
    ids = ids.to(model.device)
    nats = model.train()(ids[:, :-1], ids[:, 1:])
    model.zero_grad(set_to_none=True)
    nats.sum().backward()
    return [nats.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@torch.no_grad()
def _cached(model: GPT, ids: Tensor) -> list[Tensor]:
    ids, model = ids.to(model.device), model.eval()
    cache = model.make_cache(len(ids), ids.shape[1])
    parts = [ids[:, :20], *ids[:, 20:].split(1, dim=1)]
    return [torch.cat([model(part, cache=cache) for part in parts], dim=1)]


def _trained(name: str, device: torch.device, ids: Tensor) -> list[Tensor]:
    model = GPT(GPTConfig.parse(SMALL), seed=1).to(device)
    optimizer = Optimizer.named(name).build(model)
    for _ in range(3):
        _step(model, ids)
        set_learning_rate(optimizer, 1e-3)
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def seconds_of(run: Callable[[], object], device: torch.device, warm: int, rounds: int) -> float:
    """Median seconds of a call that the device has finished."""
    wait, times = finished(run, device.type), []
    for i in range(warm + rounds):
        start = time.perf_counter()
        wait()
        if i >= warm:
            times.append(time.perf_counter() - start)
    return median(times)


def shape_of(quick: bool, **changed: object) -> GPTConfig:
    return GPTConfig.parse({**(SMALL if quick else GPT2), **changed})


def peak_rate(device: torch.device, quick: bool) -> tuple[float, str]:
    """bf16 FLOPs per second: the maker's number where we know the device, else that of a large product, measured now."""
    n = 64 if quick else 8192
    a = torch.ones(n, n, device=device, dtype=torch.bfloat16)
    measured = 2 * n**3 / seconds_of(lambda: a @ a, device, 2, 5)
    name = torch.cuda.get_device_name(device).lower() if device.type == "cuda" else "cpu"
    row = next((row for row in TABLE if row.kind == "cuda" and row.name.split("-")[0] in name), None)
    print(f"  {name}: a large bf16 product runs at {measured / 1e12:.4g} TFLOP/s" + (
        f", {measured / row.narrow:.0%} of what the maker states" if row else ""))  # fmt: skip
    return (row.narrow, "the maker's peak") if row else (measured, "a large product")


def speed(device: torch.device, quick: bool) -> None:
    """Whole training steps: forward, backward, clipping, AdamW."""
    config, rows = shape_of(quick), 2 if quick else 16
    T, rate = config.context_length, peak_rate(device, quick)
    ids = torch.randint(config.vocab_size, (rows, T + 1), device=device)
    for name in ("eager", "compiled"):
        torch.manual_seed(0)
        model = GPT(config, seed=1).to(device).train()
        count = sum(p.numel() for p in model.parameters())
        optimizer, weights = Optimizer.named("adamw").build(model), list(model.parameters())
        set_learning_rate(optimizer, 1e-4)
        if name == "compiled":  # the rehearsal needs no compiler of C++
            run = torch.compile(model, backend="eager" if quick else "inductor")
        else:
            run = model

        def step(run=run, model=model, optimizer=optimizer, weights=weights) -> None:
            with torch.autocast(device.type, torch.bfloat16):
                nats = run(ids[:, :-1], targets=ids[:, 1:])
            (nats.sum() / (rows * T)).backward()
            model.kernels.clip(weights, 1.0)
            optimizer.step()
            model.zero_grad(set_to_none=True)

        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        seconds = seconds_of(step, device, 1 if quick else 5, 1 if quick else 20)
        tokens = rows * T / seconds
        flops = 6 * count + 12 * config.n_layer * config.n_embd * T  # Chowdhery et al., 2022, appendix B
        memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
        what = f"training {count / 1e6:.0f}M, bf16, {name}, tokens/s"
        claim(what, tokens, None, None, 0, digits=0, memory_gb=round(memory, 2))
        claim(f"MFU of the same, of {rate[1]}", tokens * flops / rate[0], None, None, 0.55)
    losses(device, quick)


def losses(device: torch.device, quick: bool) -> None:
    """The loss with its gradients at GPT-2's vocabulary, whole and in chunks of several sizes: milliseconds and GiB."""
    N, C, V = (64, 16, 100) if quick else (16384, 768, 50304)
    x = torch.randn(N, C, device=device, requires_grad=True)
    weight = (torch.randn(V, C, device=device) * 0.02).requires_grad_()
    y, known = torch.randint(V, (N,), device=device), dict(linear_cross_entropy.ROWS)
    fused = kernels.fused()
    parts = {name: getattr(fused, name) for name in ("linear", "softcap", "cross_entropy")}
    whole = partial(linear_cross_entropy.plain, **parts)
    forms = {"whole": (whole, None), **{f"{n} rows": (fused.linear_cross_entropy, n) for n in (1024, 2048, 4096, 8192)}}
    for name, (form, rows) in forms.items():
        linear_cross_entropy.ROWS = known if rows is None else known | {device.type: rows}

        def step(form=form) -> None:
            with torch.autocast(device.type, torch.bfloat16):
                nats = form(x, weight, y)
            torch.autograd.grad(nats.sum(), (x, weight))

        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        seconds = seconds_of(step, device, 1, 1 if quick else 5)
        memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
        print(f"  loss of {N:,} tokens and {V:,} ids, {name:9}: {1000 * seconds:7.1f} ms, {memory:.2f} GB at the peak")
    linear_cross_entropy.ROWS = known


def decode(device: torch.device, quick: bool) -> None:
    """Greedy decoding after a prompt of 128; the bytes are those of the weights, once a token."""
    model = GPT(shape_of(quick), seed=1).to(device, torch.bfloat16).eval()
    prompt, new = (8, 4) if quick else (128, 256)
    size, n = sum(p.nbytes for p in model.parameters()), 1 << 8 if quick else 1 << 29
    source = torch.ones(n, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * source.nbytes / seconds_of(lambda: target.copy_(source), device, 1, 5)
    for batch in (1, 8):
        prompts = torch.randint(model.config.vocab_size, (batch, prompt)).tolist()

        def write(n: int, prompts=prompts) -> None:
            list(generate(model, prompts, SamplingConfig(temperature=0, max_new_tokens=n)))

        rounds = 1 if quick else 3
        short, long = (seconds_of(partial(write, n), device, 1, rounds) for n in (1, new + 1))
        seconds = max(1e-9, (long - short) / new)
        claim(f"decode, bf16, batch {batch}, tokens/s", batch / seconds, None, None, 0, digits=1)
        share = size / seconds / bandwidth
        claim(f"bandwidth of the same, share of a copy's {bandwidth / 1e9:.0f} GB/s", share, None, None, 0.6)


def sparse(device: torch.device, quick: bool) -> None:
    """Forward and backward at 4,096 tokens."""
    T, window, batch = (256, 64, 1) if quick else (4096, 256, 8)
    dtype = torch.float32 if quick else torch.bfloat16
    q, k, v = (torch.randn(batch, 8, T, 64, device=device, dtype=dtype, requires_grad=True) for _ in range(3))

    def both(f: Callable) -> None:
        torch.autograd.grad(f(q, k, v).sum(), (q, k, v))

    rounds, causal = 1 if quick else 20, kernels.fused().attention
    full = seconds_of(partial(both, causal), device, 1, rounds)
    for name, (f, rule) in variants(window, device.type).items():
        error = largest_error(f, rule, *(t[:1].detach().float() for t in (q, k, v)))
        seconds = seconds_of(partial(both, f), device, 2, rounds)
        what, target = f"{name} at T={T} with backward, ms", 3.0 if FLEX in name else 1.0
        claim(what, 1000 * seconds, 1000 * full, "causal SDPA", target, error=float(f"{error:.1e}"))
        if not error < 1e-3:
            raise Wrong(f"{name} is off by {error:.1e} in fp32")


def training(device: torch.device, quick: bool) -> None:
    """`stories` on the village, through the launcher; what it reached is held-out bits per byte."""
    settings = [f"train.device={device.type}", "corpus.megabytes=30", "train.micro_batch_size=64"]
    if quick:
        settings = [
            f"train.device={device.type}", "corpus.megabytes=0.2", "corpus.workers=1", "tokenizer.vocab_size=400",
            "model.n_layer=1", "model.n_embd=32", "model.n_head=2", "model.context_length=32", "train.steps=4",
            "train.micro_batch_size=4", "train.eval_tokens=256", "train.precision=fp32", "sample.max_new_tokens=4",
        ]  # fmt: skip
    recipe, started, home = presets()["stories"]().override(*settings), time.perf_counter(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            data = build.dataset(recipe, lambda *told: None)
            print(f"  the text was ready after {time.perf_counter() - started:.0f} s", flush=True)
            left = SECONDS["training"] - 35 - (time.perf_counter() - started)
            limit = None if quick else Limit(left / 60, time.perf_counter())
            launch.train(recipe, data, Path("runs/gpu"), say=lambda line: print(f"  {line}", flush=True),
                         watching=unwatched, limit=limit, argv=["bench/gpu.py"])  # fmt: skip
            run = Run.open(Path("runs/gpu"))
            last, ends = run.metrics("train")[-1], run.metrics("eval")
        finally:
            os.chdir(home)
    claim("timed training of `stories`: bits per byte", ends[-1]["bpb"], ends[0]["bpb"], "untrained", 4.0,
          tokens=last["tokens"], tokens_per_s=round(last["tokens_per_s"]), seconds=round(last["seconds"]),
          memory_gb=round(last["memory_gb"], 2))  # fmt: skip


def unwatched(steps: int, done: int) -> contextlib.AbstractContextManager:
    """Show no progress."""
    return contextlib.nullcontext(lambda line: None)


STAGES = {f.__name__: f for f in (correctness, speed, decode, sparse, training)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny shapes: the paths run, the numbers mean nothing")
    parser.add_argument("--one", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no CUDA device here; `--device cpu --quick` rehearses the stages without one", file=sys.stderr)
        return 2
    if arguments.one:
        STAGES[arguments.one](device, arguments.quick)
        return 0
    failed, began = [], time.perf_counter()
    for stage in arguments.stages:
        print(f"{stage} (at {time.perf_counter() - began:.0f} s, limit {SECONDS[stage]} s)", flush=True)
        itself = [sys.executable, __file__, "--one", stage, "--device", arguments.device]
        try:
            done = subprocess.run([*itself, *(["--quick"] * arguments.quick)], timeout=SECONDS[stage], check=False)
            if done.returncode:
                failed.append(f"{stage} failed with exit code {done.returncode}")
        except subprocess.TimeoutExpired:
            failed.append(f"{stage} took over {SECONDS[stage]} s and was stopped")
    print(f"all stages took {time.perf_counter() - began:.0f} s", *failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
