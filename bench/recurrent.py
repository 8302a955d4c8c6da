"""Mixers with a state beside full attention, in one model shape: a training step, and what writing costs as texts grow.

    python bench/recurrent.py                     two minutes on two cores
    python bench/recurrent.py --shape small       or mini; --mixers mamba,linear,delta --lengths 512,2048 --rounds --threads

A step is forward and backward of the whole model on 4,096 tokens, in float32 and under bf16, the peer being the same model
with `mixer=full`; medians over rounds that take turns. Writing: tokens are read into the cache of one row, then 16 more are
decoded one by one, again and again; bytes are what the cache holds. Before anything is timed, each mixer's fused kernels
are compared with its plain ones.
"""

import argparse
from collections.abc import Callable

import torch
from measure import claim, milliseconds

from glassformer import kernels
from glassformer.model.cache import Cache
from glassformer.model.gpt import GPT, GPTConfig

SHAPES = {"tiny": (2, 2, 64, 256), "mini": (4, 4, 192, 2048), "small": (6, 6, 384, 4096)}  # layers, heads, width, V
TOKENS = 4096
PEER = "mixer=full"
TARGET = 0.5  # a step may take twice as long as full attention's


def build(mixer: str, shape: str, length: int, maths: kernels.Kernels | None = None) -> GPT:
    layers, heads, width, vocabulary = SHAPES[shape]
    return GPT(
        GPTConfig(
            vocab_size=vocabulary, context_length=length, n_layer=layers, n_head=heads, n_embd=width, mixer=mixer,
            norm="layernorm",
        ),
        maths,
    )  # fmt: skip


def training_step(gpt: GPT, length: int, dtype: torch.dtype) -> Callable[[], None]:
    ids = torch.randint(gpt.config.vocab_size, (max(1, TOKENS // length), length))

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = gpt.kernels.cross_entropy(gpt(ids).flatten(0, 1), ids.flatten()).mean()
        loss.backward()
        gpt.zero_grad()

    return run


@torch.no_grad()
def check(mixers: list[str]) -> None:
    ids = torch.randint(256, (2, 200))
    for mixer in mixers:
        plain, fused = (build(mixer, "tiny", 200, maths()).eval()(ids) for maths in (kernels.plain, kernels.fused))
        off = (plain - fused).abs().max().item()
        assert off < 1e-5, f"{mixer}: fused differs from plain by {off:.2g}"


def train(mixers: list[str], shape: str, lengths: list[int], rounds: int) -> None:
    for length in lengths:
        for dtype in (torch.float32, torch.bfloat16):
            runs = {m: training_step(build(m, shape, length).train(), length, dtype) for m in ["full", *mixers]}
            ms = milliseconds(runs, rounds)
            for mixer in mixers:
                name = str(dtype).removeprefix("torch.")
                claim(f"{mixer}: step of {shape} at T={length}, {name}, ms", ms[mixer], ms["full"], PEER, TARGET)


def sixteen_tokens(gpt: GPT, cache: Cache) -> Callable[[], None]:
    token = torch.zeros(1, 1, dtype=torch.long)

    def run() -> None:
        for _ in range(16):
            gpt(token, cache=cache)

    return run


@torch.no_grad()
def write(mixers: list[str], shape: str, lengths: list[int], rounds: int) -> None:
    """Milliseconds per token and megabytes of cache, one row."""
    for length in lengths:
        room = length + 16 * (rounds + 1)
        models = {m: build(m, shape, room).eval() for m in ["full", *mixers]}
        caches = {m: gpt.make_cache(1, room) for m, gpt in models.items()}
        for name, gpt in models.items():
            gpt(torch.zeros(1, length, dtype=torch.long), cache=caches[name])

        ms = milliseconds({m: sixteen_tokens(models[m], caches[m]) for m in models}, rounds)
        for mixer in mixers:
            claim(f"{mixer}: one more token of {shape} after {length}, ms", ms[mixer] / 16, ms["full"] / 16, PEER, 1.0)
            held = {m: caches[m].nbytes / 1e6 for m in (mixer, "full")}
            claim(f"{mixer}: cache of {shape} after {length} tokens, MB", held[mixer], held["full"], PEER, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--mixers", default="linear,mamba,gated_deltanet")
    parser.add_argument("--lengths", default="512,2048")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    mixers, lengths = options.mixers.split(","), [int(n) for n in options.lengths.split(",")]
    check(mixers)
    train(mixers, options.shape, lengths, options.rounds)
    write(mixers, options.shape, [*lengths, 4 * max(lengths)], options.rounds)


if __name__ == "__main__":
    main()
