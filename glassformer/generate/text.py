"""Text: a tokenizer around `decode`. Text in, text out, piece by piece while the model writes.

The model reads each prompt after `<|endoftext|>`, the token that starts a document, so an empty prompt starts a new
document. Pieces are whole characters and never part of a stop text: text that may still become one is held back until
the next tokens decide.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer


class Piece(NamedTuple):
    """The next piece of text of one row."""

    row: int
    """The index of its prompt."""
    text: str
    """May be empty in a row's last piece."""
    finish: str
    """Why the row ends here: "end" (the document does), "stop" (a stop text came), "length"; or "", it goes on."""


def stream(model: GPT, tokenizer: Tokenizer, prompt: str, config: SamplingConfig) -> Iterator[str]:
    """Continue one prompt, piece by piece. Raises what `write` raises.

    >>> for text in stream(model, tokenizer, "Once upon a time", SamplingConfig()): print(text, end="", flush=True)
    """
    return (piece.text for piece in write(model, tokenizer, [prompt], config) if piece.text)


def complete(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str], config: SamplingConfig) -> list[str]:
    """Continue prompts together and return their continuations, without the prompts. Raises what `write` raises.

    >>> complete(model, tokenizer, ["Once upon a time", ""], SamplingConfig(temperature=0.8, stop=("The end.",)))
    [', a fox named Ola lost her kite ...', 'It was raining when ...']
    """
    texts = [""] * len(prompts)
    for row, text, _ in write(model, tokenizer, prompts, config):
        texts[row] += text
    return texts


def write(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str], config: SamplingConfig) -> Iterator[Piece]:
    """Continue prompts together and yield the pieces of text of all rows as they come.

    Raises GlassError for a prompt longer than the context, TokenizerError for text the tokenizer does not cover.
    """
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    ids = [[*end, *tokenizer.encode(prompt)] for prompt in prompts]
    writers = [Writer(tokenizer, config.stop) for _ in prompts]

    def stopped(row: int, id: int) -> bool:
        return writers[row].push(id)

    for row, _, _, finish in generate(model, ids, config, set(end), stopped):
        text = writers[row].close() if finish else writers[row].take()
        if text or finish:
            yield Piece(row, text, finish)


class Writer:
    """Turns the ids of one row into finished text, which does not depend on how the text is divided into tokens.

    >>> writer = Writer(tokenizer, stop=["END"])
    >>> writer.push(id_of_E), writer.take()                # E may be the start of END: nothing is certain yet
    (False, '')
    >>> writer.push(id_of_at), writer.take()
    (False, 'Eat')
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()):
        self._characters = tokenizer.stream()
        self._stop = stop
        self._text = ""
        self._stopped = False

    def push(self, id: int) -> bool:
        """Take one more id; returns True once a stop text is complete. The stop text and all after it are dropped."""
        self._add(self._characters.push(id))
        return self._stopped

    def take(self) -> str:
        """Return the text that has become certain since the last call."""
        certain = len(self._text) - (0 if self._stopped else self._undecided())
        text, self._text = self._text[:certain], self._text[certain:]
        return text

    def close(self) -> str:
        """Return the rest of the text: no more ids will come."""
        self._add(self._characters.flush())
        text, self._text = self._text, ""
        return text

    def _add(self, text: str) -> None:
        if self._stopped:
            return
        self._text += text
        ends = [(at + len(stop), at) for stop in self._stop if (at := self._text.find(stop)) >= 0]
        if ends:
            self._stopped = True
            self._text = self._text[: min(ends)[1]]  # the one that was complete first

    def _undecided(self) -> int:
        """How many of the last characters may be the beginning of a stop text."""
        longest = max(map(len, self._stop), default=1) - 1
        sizes = range(min(longest, len(self._text)), 0, -1)
        return next((n for n in sizes if any(stop.startswith(self._text[-n:]) for stop in self._stop)), 0)
