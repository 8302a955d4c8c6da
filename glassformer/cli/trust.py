"""`glass trust`: let the Python code that came with a checkpoint run."""

from glassformer.cli.arguments import RunOrCheckpoint
from glassformer.cli.terminal import say


def trust(folder: RunOrCheckpoint) -> None:
    """Allow the Python files that a model brings to run on this machine.

    A model with parts of your own keeps their source, and runs it when it is
    used. On another machine that has to be allowed once: read the files first.
    """
    from glassformer.runs.checkpoint import trust

    for path in trust(folder):
        say(f"{path} may run from now on")
