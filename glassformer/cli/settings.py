"""`glass settings`: everything that can be set."""

import ast
from pathlib import Path
from typing import Annotated, Any

import glassformer
from glassformer.cli.arguments import Settings, argument
from glassformer.cli.terminal import console, typed


def settings(
    recipe: Annotated[
        str | None,
        argument("A recipe, the folder of a run, or a text. Without it, all recipes are listed.", metavar="RECIPE"),
    ] = None,
    settings: Settings = None,
) -> None:
    """List the recipes, or every setting of one: its value, type, meaning and choices.

    Try: [cyan]./glass settings mini[/]
    """
    if recipe is None:
        return list_recipes(console())
    from glassformer.cli.plan import DEFAULT, meant
    from glassformer.recipes.terminal import list_settings

    list_settings(meant(recipe, settings, DEFAULT)[0], console())


def list_recipes(screen: Any) -> None:
    """One line for each recipe. The file that defines them is read, not imported: that would take two seconds, for
    PyTorch."""
    from rich.markup import escape
    from rich.table import Table

    title = f"{escape(typed('settings', 'RECIPE'))} lists all settings of a recipe"
    table = Table("recipe", "what it is", title=title, box=None, title_justify="left")
    for name, meaning in recipes().items():
        table.add_row(f"[cyan]{name}[/]", escape(meaning))
    screen.print(table)


def recipes() -> dict[str, str]:
    """The names of all recipes and what they are, in the order of `recipes/presets.py`."""
    tree = ast.parse((Path(glassformer.__file__).parent / "recipes" / "presets.py").read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.args.args and ast.unparse(node.returns or node) == "Recipe"
        and not node.name.startswith("_")
    }
