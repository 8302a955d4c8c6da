"""How verbs print, and how they show what goes on."""

from typing import Any


def console() -> Any:
    """Where verbs print."""
    from rich.console import Console

    return Console(highlight=False, emoji=False)  # files:books is a name, not a picture


def say(line: str) -> None:
    """Print one line as it is."""
    console().print(line, markup=False, soft_wrap=True)


def watching(steps: int, done: int) -> Any:
    """A training of which `done` steps are behind us, as it goes on; takes a `with`."""
    from glassformer.train.terminal import Display

    return Display(console(), steps, done)


def progress_bars() -> Any:
    """How far each part of a preparation is; takes a `with`."""
    from glassformer.data.terminal import watching

    return watching(console())
