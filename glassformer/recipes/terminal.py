"""Prints the recipes, the settings of one, and the texts that a model writes."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from glassformer.recipes.presets import Recipe, presets


def list_recipes(console: Console) -> None:
    """One line per preset."""
    table = Table(
        "recipe", "what it is", title="./glass settings RECIPE lists all its settings", box=None, title_justify="left"
    )
    for name, preset in presets().items():
        table.add_row(f"[cyan]{name}[/]", escape(preset.__doc__ or ""))
    console.print(table)


def list_settings(recipe: Recipe, console: Console) -> None:
    """For each setting: path, value and type, then its meaning and the variants that could stand there."""
    for setting in recipe.settings():
        value = setting.value if isinstance(setting.value, str) and setting.value else json.dumps(setting.value)
        console.print(f"[cyan]{setting.path}[/] = [bold]{escape(value)}[/]  [dim]{escape(setting.type)}[/]")
        choices = f" One of: {', '.join(setting.variants)}, or ./a_file.py" if setting.variants else ""
        console.print(Padding(escape(setting.meaning) + f"[dim]{choices}[/]", (0, 0, 0, 4)))


def write_texts(folder: Path, prompts: list[str], settings: list[str], count: int, console: Any) -> None:
    """Continue each prompt `count` times. A single text is printed while it is written, several are printed at the end."""
    from glassformer.generate.text import complete, stream
    from glassformer.recipes.build import device_of
    from glassformer.runs import checkpoint

    saved = checkpoint.load(folder)
    config = Recipe.parse(saved.recipe).sample.override(*settings)
    model, tokenizer = saved.model(device=device_of("auto")), saved.tokenizer()
    wanted = [prompt for prompt in prompts for _ in range(count)]
    if len(wanted) == 1:
        console.print(wanted[0], end="", markup=False, soft_wrap=True)
        for piece in stream(model, tokenizer, wanted[0], config):
            console.print(piece, end="", markup=False, soft_wrap=True)
        console.print()
        return
    for prompt, text in zip(wanted, complete(model, tokenizer, wanted, config)):
        console.print(prompt + text, markup=False, soft_wrap=True)
        console.rule(style="dim")
