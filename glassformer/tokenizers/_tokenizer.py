"""What every tokenizer can do: encode, decode, name its tokens, write conversations, save itself.

A kind of tokenizer (`bpe`, `char`, ...) derives from `Tokenizer` and defines `_encode` and `state`; everything else is
here. Special tokens in a text are `_special.py`'s subject, and conversations `_chat.py`'s.
"""

import abc
import functools
import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from glassformer.config import suggestion, variant_class, variants
from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import _file
from glassformer.tokenizers._chat import ChatTemplate, Rendered
from glassformer.tokenizers._file import LARGEST_VOCABULARY
from glassformer.tokenizers._special import Disallowed, cutter, encode_between
from glassformer.tokenizers._text import TextStream, spans, well_formed

if TYPE_CHECKING:
    from glassformer.tokenizers import TokenizerRecipe

END_OF_TEXT = "<|endoftext|>"
"""The special token that separates documents in every tokenizer trained here. One read from a file may have another."""

RESERVED = "<|reserved_{}|>"
"""The names of ids that are reserved for future special tokens."""


class Tokenizer(abc.ABC):
    """A bijection between text and ids: `decode(encode(text)) == text` for every text the tokenizer covers.

    Text is Unicode. A lone surrogate (half a UTF-16 pair, which no UTF-8 file can hold) is read as U+FFFD, and two
    halves that stand together as the character they mean, as tiktoken does. Everything else round-trips exactly.
    """

    name: ClassVar[str]
    """The variant that made it: the file's name."""

    threads: int = 0
    """How many threads `encode_array` uses. 0 for a kind that uses none; others may run such a kind in processes."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__module__.rpartition(".")[2]

    def __init__(self, ids: Sequence[int], pieces: Sequence[bytes], special: Mapping[str, int]) -> None:
        """Token `ids[i]` stands for the bytes `pieces[i]`. Raises TokenizerError if two tokens share an id."""
        _check_ids(ids, special)
        self.special = dict(special)
        self.end: str | None = END_OF_TEXT if END_OF_TEXT in special else None
        """The special token that ends a document, or None; `with_end` gives a tokenizer another one."""
        self._bytes = dict(zip(ids, pieces, strict=True))
        self.vocab_size = 1 + max([*self._bytes, *special.values()])
        self.token_bytes = [self._bytes.get(id, b"") for id in range(self.vocab_size)]
        """The bytes each id stands for: empty for special tokens (and for ids that no token has)."""
        self.dtype = np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)
        """Of the arrays that `encode_array` gives."""
        self.chat = ChatTemplate() if set(ChatTemplate().names()) <= set(special) else None
        """How conversations are written; `with_chat` gives a template to a tokenizer that has none."""
        self._bytes |= {id: name.encode() for name, id in special.items()}

    @abc.abstractmethod
    def _encode(self, text: str) -> np.ndarray:
        """The ids, in `dtype`, of well-formed text in which nothing is special. Raises TokenizerError."""

    def _encode_many(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """`_encode` of each text, in order."""
        return map(self._encode, texts)

    def _encode_sizes(self, text: str) -> tuple[np.ndarray, Sequence[int]]:
        """`_encode`, and how many bytes of the text's UTF-8 each token covers. Raises TokenizerError if that is unclear."""
        ids = self._encode(text)
        if self.decode_bytes(ids.tolist()) != text.encode():
            raise TokenizerError(
                "this tokenizer does not give this text back exactly, so its tokens have no places in the text: use one "
                "that does, for example bpe"
            )
        return ids, [len(self._bytes[id]) for id in ids.tolist()]

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """What `restore` needs besides the special tokens, as plain JSON values."""

    @functools.cached_property
    def absent(self) -> tuple[tuple[int, int], ...]:
        """The ids below `vocab_size` that no token has, as ranges (first, last)."""
        ids = [-1, *sorted(self._bytes), self.vocab_size]
        return tuple((before + 1, id - 1) for before, id in itertools.pairwise(ids) if id - before > 1)

    @property
    def end_of_text(self) -> int | None:
        """The id that ends a document, and stands before the first token of a new one; None if there is none."""
        return None if self.end is None else self.special[self.end]

    def require_end_of_text(self) -> int:
        """The same for those who cannot do without it. Raises TokenizerError if there is none."""
        if self.end is None:
            raise TokenizerError(
                "this tokenizer has no special token that ends a document: choose one with `tokenizer.with_end(NAME)`, or "
                'put a tokenizer_config.json with {"eos_token": NAME} beside its files'
            )
        return self.special[self.end]

    def encode(
        self, text: str, allow_special: bool | Collection[str] = False, disallowed: Disallowed = "text"
    ) -> list[int]:
        """The ids of a text. A special token written in it, such as `<|endoftext|>`, is ordinary text by default.

        `allow_special` is True or a set of names: those special tokens become their ids, the longest at each place, and
        the text between them is encoded by itself. `disallowed="raise"` refuses a text that holds any other one.

        `encode(a) + encode(b)` always decodes to `a + b`. It equals `encode(a + b)` if cutting `a + b` into words makes
        a cut where a ends: always for `byte` and `char`; for the others between a word and " next", for example.

        Raises TokenizerError for a text that the tokenizer does not cover or that is to be refused.
        """
        text = well_formed(text)
        if allow_special is False and disallowed == "text":
            return self._encode(text).tolist()
        ids: list[int] = []
        for i, part in enumerate(cutter(self.special, allow_special, disallowed)(text)):
            ids.extend((self.special[part],) if i % 2 else self._encode(part).tolist())
        return ids

    def encode_array(
        self, texts: Iterable[str], allow_special: bool | Collection[str] = False, disallowed: Disallowed = "text"
    ) -> Iterator[np.ndarray]:
        """For each text its ids as a 1-D array of `dtype`: the fast way to encode a corpus. Options as in `encode`.

        The arrays come one by one, in the order of the texts. Raises TokenizerError as `encode` does.
        """
        cut = cutter(self.special, allow_special, disallowed)
        if allow_special is False:
            return self._encode_many(text for text in map(well_formed, texts) if disallowed == "text" or cut(text))
        return encode_between(map(cut, map(well_formed, texts)), self._encode_many, self.special)

    def encode_with_offsets(
        self, text: str, allow_special: bool | Collection[str] = False, disallowed: Disallowed = "text"
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """(ids, offsets): token i stands for the characters `text[start:end]`, where (start, end) is offsets[i].

        The offsets cover the text in order. A character that is cut into several tokens, as an emoji may be, belongs to
        each of them. Options as in `encode`. Raises TokenizerError as `encode` does, and for a tokenizer that changes
        the text before cutting it (WordPiece in BERT's readings).
        """
        text = well_formed(text)
        ids: list[int] = []
        sizes: list[int] = []
        for i, part in enumerate(cutter(self.special, allow_special, disallowed)(text)):
            found, n_bytes = ([self.special[part]], [len(part.encode())]) if i % 2 else self._encode_sizes(part)
            ids += np.asarray(found).tolist()
            sizes += n_bytes
        return ids, spans(text, sizes)

    @functools.cached_property
    def _id_of_bytes(self) -> dict[bytes, int]:
        return {piece: id for id, piece in reversed(list(enumerate(self.token_bytes))) if piece}

    def token_id(self, piece: bytes) -> int:
        """The id of the ordinary token that stands for exactly these bytes; the smallest id if several do.

        `special[name]` gives the id of a special token, and `token_bytes[id]` the bytes of an id. Raises TokenizerError
        if there is no such token.
        """
        try:
            return self._id_of_bytes[piece]
        except (KeyError, TypeError):
            raise TokenizerError(f"no token stands for {piece!r:.80}: `encode` gives the ids of any text") from None

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
        self, template: ChatTemplate | None = None, recipe: "type[TokenizerRecipe] | None" = None
    ) -> "Tokenizer":
        """A copy that knows a chat template. Special tokens it lacks take reserved ids, or else new ids at the end.

        `recipe` as in `from_json`.
        """
        template = template or ChatTemplate()
        return self._changed(recipe, special=self._special_and(*template.names()), chat=template.model_dump())

    def with_end(self, name: str, recipe: "type[TokenizerRecipe] | None" = None) -> "Tokenizer":
        """A copy in which the special token `name` ends a document. One it lacks takes a reserved id or a new one.

        `recipe` as in `from_json`. Raises TokenizerError for an empty name or one that is not valid Unicode.
        """
        return self._changed(recipe, special=self._special_and(name), end=name)

    def _special_and(self, *names: str) -> dict[str, int]:
        """The special tokens and those of `names` that are missing."""
        special = dict(self.special)
        taken = {self.end, *names}
        reserved = [name for name in map(RESERVED.format, range(len(special))) if name in special and name not in taken]
        for name in names:
            if name not in special:
                special[name] = special.pop(reserved.pop(0)) if reserved else 1 + max([*self._bytes, *special.values()])
        return special

    def _changed(self, recipe: "type[TokenizerRecipe] | None", **changes: Any) -> "Tokenizer":
        return Tokenizer.from_json(_file.to_json({**self._tree(), **changes}), recipe)

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
        end = {} if self.end == END_OF_TEXT else {"end": self.end}
        return {**_file.HEADER, "name": self.name, "special": self.special, **end, **chat, **self.state()}

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
    def from_json(text: str, recipe: "type[TokenizerRecipe] | None" = None) -> "Tokenizer":
        """The tokenizer that `to_json` wrote. Raises TokenizerError; nothing in the text is ever executed or imported.

        `recipe` is needed only for a variant in a file of your own, since a tokenizer's file may not name code to run.
        """
        from glassformer.tokenizers import TokenizerRecipe

        tree = _file.parse_tokenizer(text)
        name, special = tree.pop("name"), tree.pop("special")
        chat, end = tree.pop("chat", None), tree.pop("end", END_OF_TEXT)
        if recipe is None:
            known = variants(TokenizerRecipe)
            if name not in known:
                raise TokenizerError(f"'{name[:80]}' is not a kind of tokenizer; {suggestion(name[:80], known)}")
            found = variant_class(TokenizerRecipe, name)
            assert issubclass(found, TokenizerRecipe)
            recipe = found
        tokenizer = recipe.restore(special, tree)
        if end is not None and not (isinstance(end, str) and end in special):
            raise TokenizerError(f"the end token is {end!r:.80}, which is not among the special tokens")
        tokenizer.end = end
        if chat is not None:
            tokenizer.chat = ChatTemplate.read(chat)
            for missing in set(tokenizer.chat.names()) - set(special):
                raise TokenizerError(f"the chat template needs {missing:.80}, which is not among the special tokens")
        return tokenizer


def _check_ids(ids: Sequence[int], special: Mapping[str, int]) -> None:
    taken: set[int] = set()
    for id in (*ids, *special.values()):
        if not 0 <= id < LARGEST_VOCABULARY:
            raise TokenizerError(f"the id {id} is outside 0 to {LARGEST_VOCABULARY - 1}")
        if id in taken:
            raise TokenizerError(f"two tokens have the id {id}")
        taken.add(id)
    if not taken:
        raise TokenizerError("there is no token at all: train on a text, or add a special token")
