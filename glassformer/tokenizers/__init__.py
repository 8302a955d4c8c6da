"""Tokenizers: text to ids and back. No torch; everything here is text, bytes, integers and numpy arrays.

Slot `TokenizerRecipe`; variants are the files beside this one: `char` (one id a character), `byte` (one id a byte),
`word` (one id a frequent word), `wordpiece` (beginnings of words and `##` continuations; BERT's) and `bpe` (one id a
frequent run of bytes; what GPT-2 and GPT-4 use). A recipe is a setting: `recipe.train(texts)` gives the `Tokenizer`
itself, which is saved as one JSON file and comes back through `load(path)`.

>>> tokenizer = TokenizerRecipe.named("bpe", vocab_size=4096).train(texts)
>>> tokenizer.decode(tokenizer.encode("Once upon a time")) == "Once upon a time"
"""

import abc
import codecs
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import regex
from pydantic import Field, ValidationInfo, field_validator

from glassformer.config import Variant, suggestion, variant_class, variants
from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import _file
from glassformer.tokenizers._chat import ChatTemplate, Rendered
from glassformer.tokenizers._file import LARGEST_VOCABULARY

__all__ = [
    "END_OF_TEXT", "LARGEST_VOCABULARY", "ChatTemplate", "Rendered", "TextStream", "Tokenizer", "TokenizerRecipe", "load",
    "well_formed",
]  # fmt: skip

END_OF_TEXT = "<|endoftext|>"
"""The one special token every tokenizer has: it separates documents, and a story starts after it."""

RESERVED = "<|reserved_{}|>"
"""The names of ids that are kept free."""


class TokenizerRecipe(Variant):
    """How to make a tokenizer from texts."""

    special: tuple[str, ...] = ()
    """Special tokens besides <|endoftext|>: one id each, never split, never made from a user's text."""

    reserved: int = Field(0, ge=0, le=1 << 16)
    """Ids kept free for special tokens of later (a chat template's, say), so that a trained model keeps its shape."""

    ALWAYS: ClassVar[tuple[str, ...]] = (END_OF_TEXT,)
    """The special tokens that tokenizers of this kind cannot do without."""

    SEES_ALL_TEXT: ClassVar[bool] = False
    """Whether `train` must see all text that is to be encoded, as its tokenizers refuse what they have not seen."""

    @field_validator("special")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({*cls.ALWAYS, *names}) != len(cls.ALWAYS) + len(names):
            always = " and ".join(cls.ALWAYS)
            raise ValueError(f"special tokens must differ from each other and from {always}; remove the double")
        if any(name.startswith(RESERVED.partition("{")[0]) for name in names):
            raise ValueError("names that begin with <|reserved_ are for ids kept free; rename it, or set `reserved`")
        if not all(names) or any(name != well_formed(name) for name in names):
            raise ValueError("a special token must be at least one character of valid Unicode; rename it")
        return names

    def special_from(self, first: int) -> dict[str, int]:
        """The special tokens, numbered from `first`: <|endoftext|> leading, those kept free last."""
        kept_free = map(RESERVED.format, range(self.reserved))
        return {name: first + i for i, name in enumerate((*self.ALWAYS, *self.special, *kept_free))}

    @classmethod
    def room(cls, vocab_size: int, info: ValidationInfo) -> int:
        """`vocab_size` if the special tokens fit into it; a ValueError for the field's validator to raise if not."""
        least = len(cls.ALWAYS) + len(info.data.get("special", ())) + info.data.get("reserved", 0)
        if vocab_size < least:
            raise ValueError(f"the special tokens alone need {least} ids; set it to more than that")
        return vocab_size

    @abc.abstractmethod
    def train(self, texts: Iterable[str]) -> "Tokenizer":
        """The tokenizer for these texts, which are read once, one after another; the same texts give the same ids."""

    @classmethod
    @abc.abstractmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "Tokenizer":
        """The tokenizer whose `state()` is `state`, read from a file nobody has checked yet. Raises TokenizerError."""


class Tokenizer(abc.ABC):
    """A bijection between text and ids: `decode(encode(text)) == text` for every text the tokenizer covers.

    Text is Unicode. A lone surrogate (half a UTF-16 pair, which no UTF-8 file can hold) is read as U+FFFD, and two
    halves that stand together as the character they mean, as tiktoken does. Everything else round-trips exactly.
    """

    name: ClassVar[str]
    """The variant that made it: the file's name."""

    threads: int = 0
    """How many threads `encode_array` uses; 0 for a kind that has none, which others may run in several processes."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__module__.rpartition(".")[2]

    def __init__(self, ids: Sequence[int], pieces: Sequence[bytes], special: dict[str, int]) -> None:
        """Token `ids[i]` stands for the bytes `pieces[i]`. Raises TokenizerError if two tokens share an id."""
        _check_ids(ids, special)
        self.special = dict(special)
        self.end_of_text = special[END_OF_TEXT]
        self._bytes = dict(zip(ids, pieces, strict=True))
        self.vocab_size = 1 + max([*self._bytes, *special.values()])
        self.token_bytes = [self._bytes.get(id, b"") for id in range(self.vocab_size)]
        """The bytes each id stands for: empty for special tokens (and for ids that no token has)."""
        self.dtype = np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)
        """Of the arrays that `encode_array` gives."""
        self.chat = ChatTemplate() if set(ChatTemplate().names()) <= set(special) else None
        """How conversations are written; `with_chat` gives one to a tokenizer that has none."""
        self._bytes |= {id: name.encode() for name, id in special.items()}

    @abc.abstractmethod
    def _encode(self, text: str) -> np.ndarray:
        """The ids, in `dtype`, of well-formed text in which nothing is special. Raises TokenizerError."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """What `restore` needs besides the special tokens, as plain JSON values."""

    @functools.cached_property
    def _special_pattern(self) -> regex.Pattern:
        longest_first = sorted(self.special, key=len, reverse=True)
        return regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")")

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text. `<|endoftext|>` written in it is ordinary text unless `allow_special` says otherwise.

        With `allow_special`, special tokens are found first, the longest that fits at each place, and the text between
        them is encoded on its own. Raises TokenizerError for text that the tokenizer does not cover.

        `encode(a) + encode(b)` always decodes to `a + b`, and is `encode(a + b)` if a + b is cut into words where a ends
        otherwise as a and b alone are: always for `byte` and `char`; for the others between a word and " next", say.
        """
        text = well_formed(text)
        if not allow_special:
            return self._encode(text).tolist()
        ids: list[int] = []
        for i, part in enumerate(self._special_pattern.split(text)):
            ids.extend((self.special[part],) if i % 2 else self._encode(part).tolist())
        return ids

    def encode_array(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """For each text its ids as a 1-D array of `dtype`: the fast way to encode a corpus. Nothing in it is special.

        Arrays come one by one, as the texts do. Raises TokenizerError for text that the tokenizer does not cover.
        """
        for text in texts:
            yield self._encode(well_formed(text))

    def covers(self, text: str) -> bool:
        """Whether this text comes back as it is."""
        try:
            return self.decode(self.encode(text)) == text
        except TokenizerError:
            return False

    def render(self, messages: Iterable[Mapping[str, str]]) -> Rendered:
        """A conversation as (ids, mask); the mask is True for what the assistant says, the end of its turn included.

        >>> tokenizer.render([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])

        Nothing in a content is special. Raises TokenizerError for another role or a tokenizer without a chat template.
        """
        if self.chat is None:
            raise TokenizerError("this tokenizer has no chat template: give it one with `tokenizer.with_chat()`")
        return self.chat.render(self, messages)

    def with_chat(
        self, template: ChatTemplate | None = None, recipe: type[TokenizerRecipe] | None = None
    ) -> "Tokenizer":
        """A copy that knows a chat template; special tokens it lacks take ids kept free, then new ids at the end.

        `recipe` as in `from_json`.
        """
        template = template or ChatTemplate()
        free = [name for name in map(RESERVED.format, range(len(self.special))) if name in self.special]
        special = dict(self.special)
        for name in template.names():
            if name not in special:
                special[name] = special.pop(free.pop(0)) if free else 1 + max(*self._bytes, *special.values())
        tree = {**self._tree(), "special": special, "chat": template.model_dump()}
        return Tokenizer.from_json(_file.to_json(tree), recipe)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of some ids; a special token gives its name. Raises TokenizerError for an id that no token has."""
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except KeyError as error:
            raise self._no_such(error.args[0]) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids. Bytes that are not valid UTF-8, such as half a character, become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def stream(self) -> "TextStream":
        """A decoder for ids that arrive one by one."""
        return TextStream(self)

    def _no_such(self, id: Any) -> TokenizerError:
        return TokenizerError(
            f"no token has the id {id} (this vocabulary has {self.vocab_size} ids): use the tokenizer that was saved "
            "with the model"
        )

    def _tree(self) -> dict[str, Any]:
        chat = {} if self.chat is None else {"chat": self.chat.model_dump()}
        return {**_file.HEADER, "name": self.name, "special": self.special, **chat, **self.state()}

    def to_json(self) -> str:
        """The whole tokenizer as JSON that a person can read."""
        return _file.to_json(self._tree())

    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON: the same tokenizer has the same fingerprint on every machine."""
        return hashlib.sha256(json.dumps(self._tree(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the JSON file, atomically. Raises GlassError if the system refuses."""
        write_atomic(Path(path), self.to_json())

    @staticmethod
    def from_json(text: str, recipe: type[TokenizerRecipe] | None = None) -> "Tokenizer":
        """The tokenizer that `to_json` wrote. Raises TokenizerError; nothing in the text is ever executed or imported.

        `recipe` is needed only for a variant in a file of your own, since a tokenizer's file may not name code to run.
        """
        tree = _file.parse_tokenizer(text)
        name, special, chat = tree.pop("name"), tree.pop("special"), tree.pop("chat", None)
        if recipe is None:
            known = variants(TokenizerRecipe)
            if name not in known:
                raise TokenizerError(f"'{name[:80]}' is not a kind of tokenizer; {suggestion(name[:80], known)}")
            found = variant_class(TokenizerRecipe, name)
            assert issubclass(found, TokenizerRecipe)
            recipe = found
        tokenizer = recipe.restore(special, tree)
        if chat is not None:
            tokenizer.chat = ChatTemplate.read(chat)
            for missing in set(tokenizer.chat.names()) - set(special):
                raise TokenizerError(f"the chat template needs {missing:.80}, which is not among the special tokens")
        return tokenizer


def load(path: str | Path, recipe: type[TokenizerRecipe] | None = None) -> Tokenizer:
    """Read a tokenizer's file. Raises TokenizerError, naming the path, for one that is missing, damaged or hostile."""
    try:
        return Tokenizer.from_json(_file.read(path), recipe)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}; restore the file or train the tokenizer again") from None


class TextStream:
    """Ids in, text out, never half a character: bytes wait until the character they belong to is complete.

    >>> stream = tokenizer.stream()
    >>> for id in ids: print(stream.push(id), end="")
    >>> print(stream.flush())
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """The text that this id completes; often all of its own, sometimes none yet."""
        return self._decoder.decode(self._tokenizer.decode_bytes((id,)))

    def flush(self) -> str:
        """What is left at the end: empty, or U+FFFD for a character that never came whole."""
        return self._decoder.decode(b"", final=True)


def well_formed(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD; other text comes back as it is."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_ids(ids: Sequence[int], special: dict[str, int]) -> None:
    if END_OF_TEXT not in special:
        raise TokenizerError(f"there is no {END_OF_TEXT} among the special tokens, and documents need it")
    taken: set[int] = set()
    for id in (*ids, *special.values()):
        if not 0 <= id < LARGEST_VOCABULARY:
            raise TokenizerError(f"the id {id} is outside 0 to {LARGEST_VOCABULARY - 1}")
        if id in taken:
            raise TokenizerError(f"two tokens have the id {id}")
        taken.add(id)
