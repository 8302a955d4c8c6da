"""Prints the settings of a recipe, and the texts that a model writes."""

import json
from itertools import chain, islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from glassformer.recipes.presets import Recipe
from glassformer.system.terminal import write

AT_ONCE = 16
"""Texts that are written together: more need more memory, and nobody sees the first before the last is whole."""


def list_settings(recipe: Recipe, console: Console) -> None:
    """For each setting: path, value and type, then its meaning and the variants that could stand there."""
    for setting in recipe.settings():
        value = setting.value if isinstance(setting.value, str) and setting.value else json.dumps(setting.value)
        console.print(f"[cyan]{setting.path}[/] = [bold]{escape(value)}[/]  [dim]{escape(setting.type)}[/]")
        choices = f" One of: {', '.join(setting.variants)}, or ./a_file.py" if setting.variants else ""
        console.print(Padding(escape(setting.meaning) + f"[dim]{choices}[/]", (0, 0, 0, 4)))


def write_texts(folder: Path, prompts: list[str], settings: list[str], count: int, bits: int | None = None) -> None:
    """Continue each prompt `count` times. A single text is printed while it is written; several are written together, at
    most AT_ONCE, and printed when they are whole, with a line of three dashes between them.

    A pipe or a file gets exactly the characters of prompt and continuation, as UTF-8. With `bits`, the model writes with
    weights of so many.
    """
    from glassformer.generate.text import complete, stream
    from glassformer.model.quantized import in_bits
    from glassformer.recipes.build import device_of
    from glassformer.runs import checkpoint

    saved = checkpoint.load(folder, checkpoint.best)
    if note := checkpoint.used(folder):
        Console(stderr=True).print(note, style="dim", markup=False, soft_wrap=True)
    config = Recipe.parse(saved.recipe).sample.override(*settings)
    model, tokenizer = saved.model(device=device_of("auto")), saved.tokenizer()
    model = model if bits is None else in_bits(model, bits)
    if len(prompts) * count == 1:
        pieces = stream(model, tokenizer, prompts[0], config)
        first = next(pieces, "")  # before the prompt is shown: what is compiled or refused has a line of its own
        for piece in chain([prompts[0], first], pieces):
            write(piece)
        return write("\n")
    wanted = (prompt for prompt in prompts for _ in range(count))
    for start in range(0, len(prompts) * count, AT_ONCE):
        together = list(islice(wanted, AT_ONCE))
        own = config.model_copy(update={"seed": config.seed + start})  # row i of all has seed + i, as if all were one batch
        for row, text in enumerate(complete(model, tokenizer, together, own)):
            write("---\n" * (start + row > 0) + together[row] + text + "\n")
