"""What a checkpoint costs a training: the pause of a save in the foreground and with train.async_checkpoint.

    python bench/saving.py                       the shape of gpt2 (124M parameters, 1.5 GB a checkpoint), some minutes
    python bench/saving.py --recipe mini --rounds 2 --steps 2

A round makes the same steps three times: without a checkpoint, with one in the foreground after the first step, and with
one in the background. The pause is what the save itself takes from the training; the cost is what the round takes longer
than the one without, with the wait for the disk at its end. They take turns, and medians count. Needs 6 GB of main memory.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import measure
import torch
from rich.console import Console
from rich.table import Table

from glassformer.model.gpt import GPT
from glassformer.recipes import presets
from glassformer.tokenizers import TokenizerRecipe
from glassformer.train.average import Average
from glassformer.train.saving import Saving

WAYS = ("none", "foreground", "background")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--recipe", default="gpt2")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--steps", type=int, default=4, help="in a round")
    options.add_argument("--tokens", type=int, default=256, help="in a step")
    asked = options.parse_args()
    recipe = getattr(presets, asked.recipe)().override(f"model.vocab_size={50304 if asked.recipe == 'gpt2' else 2048}")
    model = GPT(recipe.model)
    optimizer = recipe.train.optimizer.build(model)
    ids = torch.randint(recipe.model.vocab_size, (1, min(asked.tokens, recipe.model.context_length) + 1))

    def step() -> None:
        model(ids[:, :-1], ids[:, 1:]).mean().backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)

    step()
    times: dict[tuple[str, str], list[float]] = {(way, what): [] for way in WAYS for what in ("pause", "whole")}
    with tempfile.TemporaryDirectory(dir=".") as place:
        beside = recipe.to_json(), TokenizerRecipe.named("byte").train([]), {}, Average(model, None)
        saving = {
            way: Saving(Path(place) / way, model, optimizer,
                        recipe.override(f"train.async_checkpoint={str(way == 'background').lower()}").train, *beside)
            for way in WAYS
        }  # fmt: skip
        for n in range(asked.rounds + 1):
            for way in WAYS:
                start = time.perf_counter()
                step()
                before = time.perf_counter()
                if way != "none":
                    saving[way].checkpoint({"step": n, "lowest": {"step": n, "since": 0}, "decays_from": None})
                pause = time.perf_counter() - before
                for _ in range(asked.steps - 1):
                    step()
                saving[way].settle()
                if n:  # the first round takes the memory of the copy
                    times[way, "pause"].append(pause)
                    times[way, "whole"].append(time.perf_counter() - start)
                elif way == "background":
                    first = pause
    found = {key: statistics.median(values) for key, values in times.items()}
    table = Table("a checkpoint", "pause, s", f"{asked.steps} steps, s", "cost, s")
    for way in WAYS:
        cost = found[way, "whole"] - found["none", "whole"]
        table.add_row(way, *(f"{number:.2f}" for number in (found[way, "pause"], found[way, "whole"], cost)))
    Console().print(table)
    note = {"first": round(first, 3), "threads": torch.get_num_threads()}
    measure.claim(f"pause of a save, s ({asked.recipe})", found["background", "pause"], found["foreground", "pause"],
                  "in the foreground", 1, **note)  # fmt: skip
    costs = [found[way, "whole"] - found["none", "whole"] for way in ("background", "foreground")]
    measure.claim(f"cost of a save, s ({asked.recipe})", *costs, "in the foreground", 1)


if __name__ == "__main__":
    main()
