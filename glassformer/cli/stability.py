"""`glass stability`: which deep models train."""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name, minutes_from
from glassformer.cli.terminal import console, progress_bars, suggest, typed


def stability(
    minutes: Annotated[
        float,
        typer.Option(metavar="MINUTES", parser=minutes_from(0.05), help="Length of all trainings together."),
    ] = 4.0,
    name: Name = None,
) -> None:
    """See which deep models train: where the norms stand, warmup, initialisation.

    Trains models of 2, 6 and 12 layers with and without warmup (Xiong et al.,
    2020). Ctrl-C stops it; the same command continues.
    """
    from glassformer.lab.stability.terminal import run

    run(console(), minutes, name, progress_bars)
    suggest((typed("compare", "--against", "model.residual=post"), "compare the two norms in one model, with a verdict"))
