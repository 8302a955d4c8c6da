r"""Pre-tokenization: a regular expression cuts text into pieces, and merges never cross from one piece into the next.

Without it the most frequent pairs would join word endings to spaces, and `dog.`, `dog!`, `dog?` would become three
tokens. GPT-2's pattern (Radford et al. 2019) keeps a word together with the space before it, and separates letters,
digits and other signs. GPT-4's (cl100k) also ends a number after three digits, keeps line breaks with the signs before
them, and treats `'S` like `'s`. o200k (GPT-4o) cuts a word where a capital follows a small letter, and keeps `'s` with
its word.

>>> list(Splitter("gpt2")("It's 2024!\n\n  ok"))
['It', "'s", ' 2024', '!', '\n\n ', ' ok']
>>> list(Splitter("gpt4")("It's 2024!\n\n  ok"))
['It', "'s", ' ', '202', '4', '!\n\n', ' ', ' ok']

Letters (`\p{L}`) and numbers (`\p{N}`) are those of the Unicode version that the `regex` package knows. A library with
older tables may cut the newest characters differently.
"""

import functools
from array import array
from collections.abc import Iterable, Iterator

import regex

from glassformer.errors import TokenizerError
from glassformer.tokenizers.bpe.automaton import Automaton, Unsupported, automaton

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "o200k": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "none": r"[\s\S]+",
}
"""As published; recent releases of tiktoken write cl100k so that `\\n  ` stays whole at the very end of a text."""

LONG = 1 << 22
"""Characters; a longer text is cut lazily, so that the pieces of a huge document are never in memory together."""

SECONDS = 5.0
"""How long an expression of the user's own may take for any text, however short."""


class Splitter:
    """Cuts text into pieces by a named pattern or by any regular expression; the pieces always join to the text.

    Raises ValueError if the expression is not valid. An expression of the user's own may take exponentially long for
    some texts (`(a+)+b`): one that takes more than SECONDS plus 2 seconds per million characters raises TokenizerError.
    """

    def __init__(self, pattern: str) -> None:
        self._own = pattern not in PATTERNS
        try:
            self._expression = regex.compile(PATTERNS.get(pattern, pattern))
        except (regex.error, OverflowError, RecursionError) as error:
            known = ", ".join(map(repr, PATTERNS))
            raise ValueError(
                f"'{pattern[:80]}' is not one of {known}, and not a valid regular expression ({error})"
            ) from None

    @functools.cached_property
    def automaton(self) -> Automaton | None:
        """The same as a table for the kernels; None if the expression uses more than a table can express."""
        try:
            return automaton(self._expression.pattern)
        except Unsupported:
            return None

    def __call__(self, text: str) -> Iterable[str]:
        """The pieces in order. Text between two matches is a piece too, so no expression loses any."""
        if len(text) < LONG and not self._expression.groups:
            try:
                pieces = self._expression.findall(text, timeout=self._patience(text))
            except TimeoutError:
                raise self._endless(text) from None
            if sum(map(len, pieces)) == len(text):
                return pieces
        return self._pieces(text)

    def _pieces(self, text: str) -> Iterator[str]:
        done = 0
        for start, end in self._spans(text):
            if done < start:
                yield text[done:start]
            if start < end:
                yield text[start:end]
            done = end
        if done < len(text):
            yield text[done:]

    def _spans(self, text: str) -> Iterable[tuple[int, int]]:
        """Where the matches are. All are found before the first is used, since `regex` also counts the time in between."""
        spans = (match.span() for match in self._expression.finditer(text, timeout=self._patience(text)))
        if not self._own:
            return spans
        ends = array("q")
        try:
            for span in spans:
                ends.extend(span)
        except TimeoutError:
            raise self._endless(text) from None
        return zip(ends[::2], ends[1::2])

    def _patience(self, text: str) -> float | None:
        return SECONDS + 2e-6 * len(text) if self._own else None

    def _endless(self, text: str) -> TokenizerError:
        return TokenizerError(
            f"the pattern '{self._expression.pattern[:80]}' is too slow for a text that begins with {text[:40]!r}: the "
            "ways to match multiply with each character; write it without a repetition inside a repetition"
        )
