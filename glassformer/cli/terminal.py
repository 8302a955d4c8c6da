"""How verbs print: plain lines, commands that the reader can type, progress."""

import textwrap
from typing import Any

from glassformer.system.command import typed as typed  # verbs have it from here


def console() -> Any:
    """Where verbs print."""
    from glassformer.system.terminal import Console

    return Console()


def say(line: str) -> None:
    """Print one line as it is."""
    console().print(line, markup=False, soft_wrap=True)


def suggest(*commands: tuple[str, str]) -> None:
    """Print what can be done next: (command, what it does), one a line; on a narrow terminal below each other."""
    width = max(len(command) for command, _ in commands)
    beside = width + max(len(effect) for _, effect in commands) + 5 <= console().width
    say("Next:")
    for command, effect in commands:
        below = textwrap.fill(effect, max(20, console().width), initial_indent="    ", subsequent_indent="    ")
        say(f"  {command:<{width}}   {effect}" if beside else f"  {command}\n{below}")


def watching(steps: int, done: int) -> Any:
    """Shows a training of `steps` steps, `done` of which were made before; a context that gives a Watch."""
    from glassformer.train.terminal import Display

    return Display(console(), steps, done)


def progress_bars() -> Any:
    """Shows how far each stage of a preparation is; a context that gives a Progress."""
    from glassformer.data.terminal import watching

    return watching(console())
