"""Decoding speed at GPT-2's 124M shape beside Hugging Face's `generate`, same random weights, greedy.

    python bench/decode.py                     about three minutes on two cores
    python bench/decode.py --rounds 1          a quick look

Each figure is the median over rounds in which both take turns: prompt 128, 128 new tokens, prefill included. Beside
other work, set OMP_NUM_THREADS=1: two threads that wait for each other on a busy machine measure the scheduler.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from measure import claim, taking_turns
from rich.console import Console
from rich.table import Table
from transformers import GPT2Config, GPT2LMHeadModel

from glassformer.export.huggingface import layout
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPT, GPTConfig

PROMPT, NEW = 128, 128
TARGETS = {1: 4.0, 8: 2.0}  # ratio to Hugging Face by batch (DESIGN.md, "Measured targets")


def ours_and_theirs() -> tuple[GPT, GPT2LMHeadModel]:
    """The same weights in both, by the table that the import uses, read backwards."""
    config = GPTConfig.parse({
        "vocab_size": 50257, "context_length": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768,
        "bias": True, "position": "learned", "norm": "layernorm", "mlp": "gelu",
    })  # fmt: skip
    ours, theirs = GPT(config).eval(), GPT2LMHeadModel(GPT2Config()).eval()
    weights, state = ours.state_dict(), {}
    for name, _, our_names in layout(config):
        tensor = torch.cat([weights[our_name] for our_name in our_names])
        state[f"transformer.{name}"] = tensor.t() if ".c_" in name else tensor
    theirs.load_state_dict(state, strict=False)
    return ours, theirs


def contestants(ours: GPT, theirs: GPT2LMHeadModel, batch: int) -> dict[str, Callable[[int], list[int]]]:
    """Functions from the number of new tokens to the first row's new ids."""
    prompts = torch.randint(50257, (batch, PROMPT), generator=torch.Generator().manual_seed(batch))

    def glassformer(n: int) -> list[int]:
        config = SamplingConfig(temperature=0, max_new_tokens=n)
        return [token.id for token in generate(ours, prompts.tolist(), config) if token.row == 0]

    @torch.inference_mode()
    def huggingface(n: int) -> list[int]:
        out = theirs.generate(
            prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=n, do_sample=False, eos_token_id=None,
            pad_token_id=0,
        )  # fmt: skip
        return out[0, PROMPT:].tolist()

    return {"glassformer": glassformer, "HF generate": huggingface}


def main() -> None:
    """Measure; print one line of JSON per claim as it comes, and a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    ours, theirs = ours_and_theirs()
    table = Table("dtype", "batch", "glassformer tok/s", "HF generate tok/s", "ratio", "target")
    for dtype in (torch.float32, torch.bfloat16):
        ours.to(dtype), theirs.to(dtype)
        for batch in (1, 8):
            runners = contestants(ours, theirs, batch)
            first = {name: run(16) for name, run in runners.items()}  # warms up, too
            if dtype == torch.float32:
                assert first["glassformer"] == first["HF generate"], "the two do not say the same"
            seconds = taking_turns({name: partial(run, NEW) for name, run in runners.items()}, rounds)
            speed = {name: batch * NEW / each for name, each in seconds.items()}
            ratio, bits = speed["glassformer"] / speed["HF generate"], str(dtype).removeprefix("torch.")
            table.add_row(
                bits, str(batch), *(f"{s:.1f}" for s in speed.values()), f"{ratio:.2f}", f"{TARGETS[batch]:.1f}"
            )
            claim(
                f"decode tokens/s, 124M, {bits}, batch {batch}", speed["glassformer"], speed["HF generate"],
                "HF generate", TARGETS[batch], ratio=ratio, digits=1,
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
