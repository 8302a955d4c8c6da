"""`glass settings`: everything that can be set."""

from typing import Annotated

from glassformer.cli.arguments import Settings, argument
from glassformer.cli.terminal import console


def settings(
    recipe: Annotated[
        str | None,
        argument("A recipe, or the folder of a run. Without it, all recipes are listed.", metavar="RECIPE"),
    ] = None,
    settings: Settings = None,
) -> None:
    """List the recipes, or every setting of one: its value, type, meaning and choices.

    Try: [cyan]./glass settings mini[/]
    """
    from glassformer.recipes.terminal import list_recipes, list_settings
    from glassformer.recipes.words import recipe_or_run

    if recipe is None:
        list_recipes(console())
    else:
        list_settings(recipe_or_run(recipe, settings), console())
