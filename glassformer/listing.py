"""Lists for people: the recipes there are, and every setting of one."""

import json

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from glassformer.presets import Recipe, presets


def list_recipes(console: Console) -> None:
    """One line per preset."""
    table = Table(
        "recipe", "what it is", title="glass settings RECIPE shows all its settings", box=None, title_justify="left"
    )
    for name, preset in presets().items():
        table.add_row(f"[cyan]{name}[/]", escape(preset.__doc__ or ""))
    console.print(table)


def list_settings(recipe: Recipe, console: Console) -> None:
    """Per setting: path, value and type, then what it means and what else could stand there."""
    for setting in recipe.settings():
        value = setting.value if isinstance(setting.value, str) and setting.value else json.dumps(setting.value)
        console.print(f"[cyan]{setting.path}[/] = [bold]{escape(value)}[/]  [dim]{escape(setting.type)}[/]")
        choices = f" One of: {', '.join(setting.variants)}, or ./a_file.py" if setting.variants else ""
        console.print(Padding(escape(setting.meaning) + f"[dim]{choices}[/]", (0, 0, 0, 4)))
