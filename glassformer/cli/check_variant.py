"""`glass check-variant`: test a part that a user wrote."""

import sys
from typing import Annotated

from glassformer.cli.arguments import argument
from glassformer.cli.terminal import console


def check_variant(
    path: Annotated[str, argument("A Python file with one part of a model, such as ./my_mixer.py.", metavar="FILE")],
) -> None:
    """Test a part you wrote against what every built-in part guarantees.

    It is combined with other parts and must, for example, never let a token
    see a later one. The exit code is 1 if it breaks a guarantee.
    """
    from glassformer.lab.contracts.terminal import check_variant

    if not check_variant(path, console()):
        sys.exit(1)
