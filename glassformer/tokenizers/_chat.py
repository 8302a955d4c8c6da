"""Conversations as ids, with a mask that says which of them a model should learn to say.

    <|endoftext|> <|system|> ... <|end|> <|user|> ... <|end|> <|assistant|> ... <|end|>

Every turn is its role's special token, the text, and the end token. Special tokens never come out of text, so whatever
a user writes, `<|assistant|>` included, stays text: nobody can speak in another's name.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import model_validator

from glassformer.config import Config, suggestion
from glassformer.errors import SettingError, TokenizerError

if TYPE_CHECKING:
    from glassformer.tokenizers import Tokenizer


class Rendered(NamedTuple):
    """A conversation, ready for training."""

    ids: list[int]
    mask: list[bool]
    """True for what the assistant says, the end of its turn included; one for each id."""


class ChatTemplate(Config):
    """The special tokens of a conversation."""

    system: str = "<|system|>"
    """Opens a turn of whoever sets the rules."""
    user: str = "<|user|>"
    """Opens a turn of the person."""
    assistant: str = "<|assistant|>"
    """Opens a turn of the model."""
    end: str = "<|end|>"
    """Closes every turn."""

    @model_validator(mode="after")
    def _distinct(self) -> "ChatTemplate":
        if len(set(self.names())) != 4 or not all(self.names()):
            raise ValueError("the four tokens of a chat template must differ and not be empty; rename one")
        return self

    def names(self) -> tuple[str, ...]:
        """The four special tokens."""
        return self.system, self.user, self.assistant, self.end

    @classmethod
    def read(cls, tree: Any) -> "ChatTemplate":
        """The template in a tokenizer's file. Raises TokenizerError."""
        try:
            if not isinstance(tree, dict) or not all(isinstance(name, str) for name in tree.values()):
                raise SettingError("each of its tokens is a string")
            return cls.parse(tree)
        except SettingError as error:
            raise TokenizerError(f"'chat' is not a chat template ({error})") from None

    def render(self, tokenizer: "Tokenizer", messages: Iterable[Mapping[str, str]]) -> Rendered:
        """See `Tokenizer.render`."""
        ids, mask = [tokenizer.end_of_text], [False]
        end = tokenizer.special[self.end]
        for number, message in enumerate(messages, start=1):
            role, said = _checked(number, message)
            turn = [*tokenizer.encode(said), end]
            ids += [tokenizer.special[getattr(self, role)], *turn]
            mask += [False, *[role == "assistant"] * len(turn)]
        return Rendered(ids, mask)


ROLES = ("system", "user", "assistant")


def _checked(number: int, message: Any) -> tuple[str, str]:
    if not isinstance(message, Mapping) or message.keys() != {"role", "content"}:
        raise TokenizerError(f'message {number} must be {{"role": ..., "content": ...}} and nothing else')
    role, said = message["role"], message["content"]
    if role not in ROLES:
        raise TokenizerError(f"message {number} has the role {role!r:.40}; {suggestion(str(role)[:40], list(ROLES))}")
    if not isinstance(said, str):
        raise TokenizerError(f"message {number} has a content that is no text")
    return role, said
