"""Decoding speed at GPT-2's 124M shape, one text, greedy, with weights of 32, 16, 8 and 4 bits, beside Hugging Face's
`generate` (32 and 16 bits, the same random weights) and llama.cpp (random weights of the same shape and bits).

    python bench/decode.py [--threads 2] [--new 64] [--rounds 3] [--bits 32,16,8,4] [--llama PYTHON]

PYTHON is the interpreter of an environment with `xllamacpp` and `gguf` (`llama_peer.py` says how to make one).
The prompt has 128 tokens. A figure is the median over rounds in which all take turns, of the tokens after the first: what a
run of N + 1 tokens takes more than a run of one, so that reading the prompt is not counted; choosing tokens and everything
else that a user waits for is. Also printed: the CPU time of a token, which a busy machine changes less, and the bytes of
weights that were read in a second as a share of the rate at which the same threads read a large array.
"""
# ruff: noqa: E402

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from glassformer.system.threads import share_the_cores

share_the_cores()  # as the command does: OpenMP's threads would spin on the core that the step's second thread needs

import torch
from llama_peer import Peer
from measure import claim
from rich.console import Console
from rich.table import Table
from transformers import GPT2Config, GPT2LMHeadModel

from glassformer.export.huggingface import layout
from glassformer.generate import engine
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.step.freeze import Step
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.quantized import in_bits

PROMPT = 128
LLAMA, HF = 1.3, 4.0
"""Targets: ratio to llama.cpp at the same bits, and to Hugging Face's float32 (DESIGN.md, "Measured targets")."""
SHAPE = {
    "vocab_size": 50257, "context_length": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768,
    "bias": True, "position": "learned", "norm": "layernorm", "mlp": "gelu",
}  # fmt: skip
Run = Callable[[int], list[int]]


def theirs_of(ours: GPT) -> GPT2LMHeadModel:
    """The same weights in Hugging Face's model, by the table that the import uses, read backwards."""
    theirs, weights, state = GPT2LMHeadModel(GPT2Config()).eval(), ours.state_dict(), {}
    for name, _, our_names in layout(ours.config):
        tensor = torch.cat([weights[our_name] for our_name in our_names])
        state[f"transformer.{name}"] = tensor.t() if ".c_" in name else tensor
    theirs.load_state_dict(state, strict=False)
    return theirs


def glassformer(model: GPT, prompt: list[int], n: int) -> list[int]:
    """n new ids, by the compiled step."""
    return [token.id for token in generate(model, [prompt], SamplingConfig(temperature=0, max_new_tokens=n))]


@torch.inference_mode()
def huggingface(model: GPT2LMHeadModel, prompt: list[int], n: int) -> list[int]:
    """n new ids."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return out[0, len(prompt) :].tolist()


def contestants(bits: list[int], llama: str | None) -> tuple[dict[tuple[str, int], Run], dict[int, int]]:
    """{(name, bits): what writes n tokens}, and {bits: the bytes of weights that a step of ours reads}."""
    prompt = torch.randint(50257, (PROMPT,), generator=torch.Generator().manual_seed(1)).tolist()
    whole = GPT(GPTConfig.parse(SHAPE)).eval()
    theirs, runs, sizes = theirs_of(whole), {}, {}
    for b in bits:
        model = in_bits(GPT(whole.config).eval() if b == 16 else whole, b)
        runs["glassformer", b] = partial(glassformer, model, prompt)
        sizes[b] = Step(model, model.make_cache(1, 8)).n_bytes
        if b in (32, 16):
            other = theirs if b == 32 else theirs_of(whole).to(torch.bfloat16)
            runs["HF generate", b] = partial(huggingface, other, prompt)
        if llama:
            runs["llama.cpp", b] = Peer(llama, b, prompt, torch.get_num_threads())
    if 32 in bits:
        assert runs["glassformer", 32](16) == runs["HF generate", 32](16), "the two do not say the same"
    return runs, sizes


def bandwidth() -> float:
    """Bytes in a second that the threads read from memory: the best of five sums over 400 MB."""
    numbers, best = torch.ones(100_000_000), np.inf
    for _ in range(5):
        start = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - start)
    return numbers.nbytes / best


def seconds(run: Run, n: int) -> tuple[float, float]:
    """(seconds, CPU seconds of this process) of one token after the first."""
    times = []
    for tokens in (1, n + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        run(tokens)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return (times[1][0] - times[0][0]) / n, (times[1][1] - times[0][1]) / n


def main() -> None:
    """Measure; print a table and one line of JSON per claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bits", default="32,16,8,4")
    parser.add_argument("--llama", help="the Python of an environment with xllamacpp and gguf")
    parser.add_argument("--wait", action="store_true", help="prepare everything, then measure when Enter is pressed")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    engine.step_for = lambda model, cache, n_new: Step(model, cache)  # also where compiled code is not worth loading
    runs, sizes = contestants([int(b) for b in asked.bits.split(",")], asked.llama)
    for run in runs.values():
        run(2)  # loads, compiles, touches every weight
    if asked.wait:
        input("ready; press Enter")
    rate, found = bandwidth(), {who: [] for who in runs}
    for _ in range(asked.rounds):
        for who, run in runs.items():
            found[who].append(seconds(run, asked.new))
    table = Table("bits", "", "tokens/s", "CPU ms a token", "of the memory's rate")
    speed = {who: 1 / statistics.median(wall for wall, _ in each) for who, each in found.items()}
    for (name, b), each in sorted(found.items(), key=lambda item: -item[0][1]):
        cpu = 1000 * statistics.median(cpu for _, cpu in each)
        share = f"{sizes[b] * speed[name, b] / rate:.2f}" if name == "glassformer" else ""
        table.add_row(str(b), name, f"{speed[name, b]:.1f}", "" if name == "llama.cpp" else f"{cpu:.2f}", share)
    Console().print(table, f"memory: {rate / 1e9:.1f} GB/s with {asked.threads} threads")
    for b in sizes:
        ours = speed["glassformer", b]
        for peer, target in (("llama.cpp", LLAMA), ("HF generate", HF)):
            if other := speed.get((peer, b if peer == "llama.cpp" else 32)):
                what = f"decode tokens/s, 124M, {b} bits, {asked.threads} threads"
                claim(what, ours, other, peer, target, ratio=ours / other, digits=1)


if __name__ == "__main__":
    main()
