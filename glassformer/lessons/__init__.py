"""Lessons: what the files in `lessons/` import beside the parts of the package that they teach.

A lesson is a Python file with cells (`# %%`). It runs as a notebook, as a script and in the tests, and shows itself through
the functions here: `predict` asks the reader for an answer before a cell shows it, `say` writes a sentence whose numbers
come from the run, `picture` shows a figure, and `sized` makes an experiment small in the tests. `pictures.py` draws,
`sources.py` finds the lessons, `notebook.py` turns one into a notebook and runs it, `page.py` makes HTML of that.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_fast, _asks = False, True


@contextmanager
def fast() -> Iterator[None]:
    """Within this block lessons are small and ask nobody: `sized` gives its second argument."""
    global _fast, _asks
    before, _fast, _asks = (_fast, _asks), True, False
    try:
        yield
    finally:
        _fast, _asks = before


def sized(full: T, small: T) -> T:
    """The size of an experiment: `full` for a reader, `small` where the tests only want to know that the cell works."""
    return small if _fast else full


def say(text: str) -> None:
    """Show a text in Markdown; in a terminal, as it is."""
    display = _notebook()
    if display is None:
        print(f"\n{text}\n")
    else:
        display.display(display.Markdown(text))


def picture(figure: Any) -> None:
    """Show a matplotlib figure, and close it."""
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    display = _notebook()
    if display is not None:
        display.display(figure)
    elif not _fast and sys.stdout.isatty():
        figure.show()
    pyplot.close(figure)


class Guess:
    """What the reader has answered; `answer` is None where nobody was asked."""

    def __init__(self, answer: str | float | None):
        self.answer = answer

    def was(self, truth: Any, because: str = "") -> None:
        """Show the truth beside the answer. `because` is a sentence in Markdown that explains it."""
        told = f"{truth:,}" if isinstance(truth, int) else f"{truth:.3g}" if isinstance(truth, float) else str(truth)
        if self.answer is None:
            said = f"The answer is **{told}**."
        elif self.answer == truth:
            said = f"You said **{told}**, and that is right."
        else:
            answer = f"{self.answer:,g}" if isinstance(self.answer, float) else self.answer
            said = f"You said **{answer}**. It is **{told}**."
        say(f"{said} {because}".strip())


def predict(question: str, choices: Sequence[str] = ()) -> Guess:
    """Ask the reader, who answers before the next cell runs: a number, or one of `choices` by its letter.

    Where nobody can answer (in tests, on a page, in a script without a terminal) the lesson goes on without an answer.
    """
    letters = "abcdefgh"[: len(choices)]
    say("\n\n".join([f"**Predict.** {question}", *(f"({a}) {choice}" for a, choice in zip(letters, choices))]))
    while _asks:
        try:
            typed = input(f"Your answer ({', '.join(letters) or 'a number'}): ").strip().lower().strip("().")
        except (EOFError, NotImplementedError):  # nobody is there; a notebook that is run by a program says the latter
            break
        if choices and typed and typed in letters:
            return Guess(choices[letters.index(typed)])
        if not choices and _is_number(typed):
            return Guess(float(typed.replace(",", "").replace("%", "")))
        print(f"Please type {' or '.join(letters) if choices else 'a number, such as 7 or 0.5'}.")
    return Guess(None)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").replace("%", ""))
        return True
    except ValueError:
        return False


def _notebook() -> Any:
    """IPython's display module where a notebook runs this; else None."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython import display  # pyright: ignore[reportMissingImports]

    return display
