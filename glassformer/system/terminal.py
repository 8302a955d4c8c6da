"""Where everything is printed: a console for what we say, and `write` for text that must not be changed.

the terminal    text of others cannot command it (`visible.py`); a character it does not have is replaced
a pipe, a file  `write` hands every byte on, as UTF-8, whatever the encoding of the terminal is
"""

import codecs
import contextlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.console import Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from glassformer.system.visible import visible

_INSTEAD = {
    "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "→": "->", "←": "<-", "·": ".", "–": "-", "—": "-", "×": "x",
    "−": "-", "±": "+-", "≥": ">=", "≤": "<=", "•": "*", "⏎": "$", "␍": "^", "⇥": ">", "◌": "o", "│": "|", "─": "-",
    "━": "-", "█": "#",
}  # fmt: skip
"""What a stream says for a character of ours that its encoding does not have; others become escapes."""


class Console(RichConsole):
    """A console that no text can command: whatever is printed, only the console's own control codes reach the terminal."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, emoji=False, **settings)  # ":books:" in a text is no emoji

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(visible(text), **settings)

    def render(self, renderable: Any, options: Any = None) -> Any:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def print(self, *things: Any, **how: Any) -> None:
        super().print(*(self._fitting(thing) for thing in things), **how)

    def _fitting(self, thing: Any) -> Any:
        """A table with too many columns for this width becomes a list of its rows; anything else is printed as it is."""
        if not isinstance(thing, Table) or not thing.show_header:
            return thing
        least = Measurement.get(self, self.options.update(max_width=10_000), thing).minimum
        return thing if least <= self.width else Group(*_as_list(thing))

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # it is called while one is handled; `main` ends the program


def _as_list(table: Table) -> Iterator[Any]:
    """Each row as lines: its first cell, then the name and value of every other one that is not empty."""
    if table.title:
        yield table.title
    names = [column.header for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns)):
        yield Styled(first or names[0], "bold")
        told = [(name, cell) for name, cell in zip(names[1:], others) if cell]
        if told:
            line = Table.grid(padding=(0, 2, 0, 0))
            for name, cell in told:
                line.add_row(name, cell)
            yield Padding(line, (0, 0, 0, 2))


def write(text: str, stream: TextIO | None = None) -> None:
    """Write text that a model or a person wrote, at once, to `stream` or standard output.

    A terminal gets it with harmful characters made visible. A pipe or a file gets exactly its bytes in UTF-8: nothing is
    added, and line ends are not translated.
    """
    out = stream or sys.stdout
    if out.isatty() or not hasattr(out, "buffer"):
        out.write(visible(text))
    else:
        out.flush()
        out.buffer.write(text.encode("utf-8", "surrogateescape"))
    out.flush()


def say_what_they_can() -> None:
    """Let standard output and error replace a character that their encoding does not have, instead of failing. One that
    was closed before we began takes everything and keeps nothing."""
    codecs.register_error("glassformer", _replacement)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the program)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="glassformer")


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a mistake of ours as Python does, but for the control characters in its message."""
    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))


class Notes(logging.Handler):
    """Prints what parts without a console have to say to whoever waits for them."""

    def emit(self, record: logging.LogRecord) -> None:
        console = Console(stderr=True, soft_wrap=True)
        with contextlib.ExitStack() as stack:
            # rich stands in for stderr while it shows a live bar, and then prints above it what is written there
            above = getattr(getattr(sys.stderr, "rich_proxied_file", None), "isatty", bool)()
            told = stack.enter_context(console.capture()) if above else None
            console.print(record.getMessage(), style="dim", markup=False)
        if told is not None:
            sys.stderr.write(told.get())


def say_notes() -> None:
    """Print the notes of all parts from now on."""
    log = logging.getLogger("glassformer")
    if not any(isinstance(handler, Notes) for handler in log.handlers):
        log.addHandler(Notes())
    log.setLevel(logging.INFO)


def let_go() -> None:
    """Point standard output at nothing: it is closed or full, and Python would complain once more at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, sys.stdout.fileno())
    except (OSError, ValueError):  # a stream that is no file
        pass
    finally:
        os.close(nothing)


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_instead, error.object[error.start : error.end])), error.end


def _instead(character: str) -> str:
    if character in _INSTEAD:
        return _INSTEAD[character]
    if "\u2800" <= character <= "\u28ff":  # the wheel that turns while we wait
        return "*"
    return character.encode("ascii", "backslashreplace").decode()
