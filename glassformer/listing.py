"""Lists for people: the recipes there are, and every setting of one."""

import json

from rich.console import Console
from rich.markup import escape
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
    """One line per setting: path, value, type, meaning, and what else could stand there."""
    table = Table("setting", "value", "type", "meaning", box=None, header_style="bold", pad_edge=False)
    for setting in recipe.settings():
        meaning = escape(setting.meaning)
        if setting.variants:
            meaning += f" [dim]One of: {', '.join(setting.variants)}, or ./a_file.py[/]"
        value = setting.value if isinstance(setting.value, str) else json.dumps(setting.value)
        table.add_row(f"[cyan]{setting.path}[/]", escape(value), f"[dim]{escape(setting.type)}[/]", meaning)
    console.print(table)
