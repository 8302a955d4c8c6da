"""`glass check-variant`: a part of one's own, held to what the built-in ones promise."""

import sys
from typing import Annotated

from glassformer.cli.arguments import argument
from glassformer.cli.terminal import console


def check_variant(path: Annotated[str, argument("A Python file with one part of a model: ./my_mixer.py.")]) -> None:
    """Hold a part of your own to everything that the built-in ones promise; exit code 1 if it breaks one."""
    from glassformer.lab.contracts.terminal import check_variant

    if not check_variant(path, console()):
        sys.exit(1)
