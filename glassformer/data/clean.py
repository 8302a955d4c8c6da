"""Cleaning: what is removed from a text before a model sees it, one small function a step, each of them counted.

The default steps repair what is never meant (mixed line ends, control characters, two spellings of one letter) and are
gentle enough for code: tinyshakespeare comes through byte for byte, and Python compiles as before. Which steps run, in
which order, is `DataConfig.steps`; how much each one changed is in the dataset's index.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from glassformer.config import Config


def newlines(text: str) -> str:
    r"""Every line ends with `\n`: not with `\r\n` as on Windows, nor with `\r` as on old Macs."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def control_characters(text: str) -> str:
    """No control characters but the newline and the tab: the rest are invisible leftovers of machines."""
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def unicode(text: str) -> str:
    """One spelling for each letter: é is one character, not e and an accent (Unicode's normal form NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def blank_lines(text: str) -> str:
    """At most two blank lines in a row, as Python code has between functions."""
    return _BLANK_LINES.sub("\n\n\n", text) if "\n\n\n\n" in text else text


def trailing_space(text: str) -> str:
    """No spaces or tabs at the ends of lines. Not a default: Markdown and verse may mean them."""
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BLANK_LINES = re.compile("\n{4,}")

STEPS: dict[str, Callable[[str], str]] = {
    step.__name__: step for step in (newlines, control_characters, unicode, blank_lines, trailing_space)
}


class StepReport(Config):
    """What one step did, over the whole corpus."""

    step: str
    changed: int
    """Documents that the step altered or dropped."""
    documents_before: int
    documents_after: int
    characters_before: int
    characters_after: int


class Cleaner:
    """Applies the named steps to one document after another, and counts.

    >>> cleaner = Cleaner(["newlines"])
    >>> cleaner("a\\r\\nb")
    'a\\nb'
    >>> cleaner.report()[0].changed
    1
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = [(name, STEPS[name]) for name in steps]
        self._documents = self._characters = 0
        self._changed: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._blank_characters = 0

    def __call__(self, text: str) -> str:
        """The cleaned text; empty when nothing but white space is left, which drops the document."""
        self._documents += 1
        self._characters += len(text)
        for name, step in self._steps:
            before, text = text, step(text)
            if text != before:
                self._changed[name] += 1
                self._removed[name] += len(before) - len(text)
        if text.isspace() or not text:
            self._changed["blank_documents"] += 1
            self._removed["blank_documents"] += len(text)
            return ""
        return text

    def report(self, repeated: int = 0, repeated_characters: int = 0) -> list[StepReport]:
        """One line a step, in order; the last is the exact repetitions, which the caller found and dropped."""
        self._changed["repeated_documents"], self._removed["repeated_documents"] = repeated, repeated_characters
        documents, characters, lines = self._documents, self._characters, []
        for step in [name for name, _ in self._steps] + ["blank_documents", "repeated_documents"]:
            dropped = self._changed[step] if step.endswith("_documents") else 0
            lines.append(
                StepReport(
                    step=step,
                    changed=self._changed[step],
                    documents_before=documents,
                    documents_after=documents - dropped,
                    characters_before=characters,
                    characters_after=characters - self._removed[step],
                )
            )
            documents, characters = documents - dropped, characters - self._removed[step]
        return lines
