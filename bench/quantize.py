"""What fewer bits cost and save: the size, the bits per byte and the CPU time of a model with weights of 32 to 4 bits.

    python bench/quantize.py [RUN] [--tokens 20000] [--new 200]

RUN is a run trained on the village; without it, `village-mini`. All predict the tokens of the same held-out stories. The
error of a matrix is the part of its length that rounding changed. "departs" is the first of the new tokens (greedy) that is
another than that of the 32-bit model.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from glassformer.corpora.village import Village
from glassformer.generate import engine
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.step.freeze import Step
from glassformer.model.gpt import GPT
from glassformer.model.quantized import Tiled, in_bits
from glassformer.runs import checkpoint
from glassformer.runs.shipped import FOLDER


@torch.inference_mode()
def bits_per_byte(model: GPT, texts: list[list[int]], n_bytes: int) -> float:
    """Each text is read from its beginning, as far as the context reaches."""
    nats = 0.0
    for ids in texts:
        t = torch.tensor([ids])
        nats += float(model(t[:, :-1], t[:, 1:]).sum())
    return nats / torch.log(torch.tensor(2.0)).item() / n_bytes


def errors(whole: GPT, narrow: GPT) -> tuple[float, str]:
    """(the largest relative error of a matrix, its name)."""
    exact, found = dict(whole.named_modules()), (0.0, "")
    for name, module in narrow.named_modules():
        w = getattr(exact[name], "weight", None)
        if w is not None and w.ndim == 2 and (isinstance(module, Tiled) or module.weight.dtype != w.dtype):
            found = max(found, (float((module.weight.float() - w).detach().norm() / w.norm()), name))
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, default=FOLDER / "village-mini")
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--new", type=int, default=200)
    asked = parser.parse_args()
    saved = checkpoint.load(asked.run, checkpoint.best)
    tokenizer, length = saved.tokenizer(), saved.model().config.context_length
    texts, n_bytes, n = [], 0, 0
    while n < asked.tokens:
        text = Village().story("validation", len(texts)).text
        ids = [tokenizer.end_of_text, *tokenizer.encode(text)][: length + 1]
        texts, n = [*texts, ids], n + len(ids) - 1
        n_bytes += len(tokenizer.decode(ids[1:]).encode())
    engine.step_for = lambda model, cache, n_new: Step(model, cache)
    table = Table("bits", "MB", "bits per byte", "CPU ms a token", "departs", "largest error")
    config, first = SamplingConfig(temperature=0, max_new_tokens=asked.new), []
    for bits in (32, 16, 8, 4):
        whole = saved.model()
        model = in_bits(saved.model(), bits)
        prompt = texts[0][:20]
        list(generate(model, [prompt], SamplingConfig(max_new_tokens=2)))  # compiles
        start = time.process_time()
        new = [token.id for token in generate(model, [prompt], config)]
        cost = 1000 * (time.process_time() - start) / len(new)
        first = first or new
        departs = next((str(i + 1) for i, (a, b) in enumerate(zip(new, first, strict=True)) if a != b), "never")
        size = sum(t.nbytes for t in (*model.parameters(), *model.buffers())) / 1e6
        error, name = errors(whole, model)
        bpb = bits_per_byte(model, texts, n_bytes)
        table.add_row(str(bits), f"{size:.2f}", f"{bpb:.4f}", f"{cost:.2f}", departs, f"{error:.4f} {name}")
    Console().print(table, f"{n:,} held-out tokens, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
