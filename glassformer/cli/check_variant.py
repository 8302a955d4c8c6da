"""`glass check-variant`: test a part that a user wrote."""

import sys
from typing import Annotated

import typer

from glassformer.cli.arguments import argument
from glassformer.cli.terminal import console, suggest, typed


def check_variant(
    path: Annotated[str, argument("A Python file with a part of your own, such as ./my_mixer.py.", metavar="FILE")],
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Give up a test after so long: a part may hang.")
    ] = 60.0,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0.1, help="Stop testing a part after so long.")
    ] = 10.0,
) -> None:
    """Test a part you wrote against what every built-in part guarantees.

    It can be a part of the model, an optimizer, a schedule, a loss, a
    sampler, a tokenizer or a corpus: docs/parts.md shows one of each. A part
    of the model is combined with others and must, for example, never let a
    token see a later one. The exit code is 1 if a guarantee is broken.
    """
    from glassformer.lab.contracts import parts_of
    from glassformer.lab.contracts.terminal import check_variant

    if not check_variant(path, console(), seconds, minutes):
        suggest((typed("check-variant", path), "test it again after a change"))
        sys.exit(1)
    setting = f"{parts_of(path)[0].setting}={path}"
    if setting.startswith(("model.", "train.")):
        suggest((typed("compare", "--against", setting), "find out whether it is better than the built-in part"))
    else:
        suggest((typed("train", setting), "train with it"))
