"""`glass stability`: which deep models train."""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name
from glassformer.cli.terminal import console, progress_bars


def stability(
    minutes: Annotated[float, typer.Option(help="How long the training takes in all.", min=0.05, max=1e6)] = 4.0,
    name: Name = None,
) -> None:
    """Which deep models train? Norms before or behind, warmup, 2 to 12 layers, first weights: see it happen."""
    from glassformer.lab.stability.terminal import run

    run(console(), minutes, name, progress_bars)
