"""`glass quantize`: a run's weights in 8 or 4 bits."""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name, RunOrShipped, bits_among
from glassformer.cli.terminal import say, suggest, typed

Bits = Annotated[
    int,
    typer.Option(parser=bits_among(8, 4), metavar="8|4", help="Bits of a weight; 4 are half the size and less accurate."),
]


def quantize(folder: RunOrShipped, bits: Bits = 8, name: Name = None) -> None:
    """Keep a model's weights in 8 or 4 bits.

    They become a run of their own, a quarter or a seventh of the size, which
    writes faster on a CPU and can be measured as any other; it cannot be
    trained. The run itself stays as it is.
    """
    from glassformer.recipes.quantize import quantize as make
    from glassformer.runs.run import new_run

    with new_run(name, f"{folder.resolve().name}-int{bits}") as target:
        made = make(folder, target, bits)
    say(f"wrote {made}: {(made / 'model.safetensors').stat().st_size / 1e6:.1f} MB of weights")
    suggest((typed("generate", target), "let it write"), (typed("eval", target), "measure what it lost"))
