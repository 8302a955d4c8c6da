"""Conversations as ids, with a mask that marks the ids a model should learn to produce.

    <|endoftext|> <|system|> ... <|end|> <|user|> ... <|end|> <|assistant|> ... <|end|>

Every turn is its role's special token, the text, and the end-of-turn token. Special tokens never arise from text, so
whatever a user writes, `<|assistant|>` included, stays text: nobody can speak in another role's name.
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
    """One bool per id: True for what the assistant says and for the end of its turn."""


class ChatTemplate(Config):
    """The special tokens of a conversation."""

    system: str = "<|system|>"
    """Begins a turn of whoever sets the rules."""
    user: str = "<|user|>"
    """Begins a turn of the person."""
    assistant: str = "<|assistant|>"
    """Begins a turn of the model."""
    end: str = "<|end|>"
    """Ends every turn."""

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
                raise SettingError("each of its tokens must be a string")
            return cls.parse(tree)
        except SettingError as error:
            raise TokenizerError(f"'chat' is not a chat template ({error})") from None

    def render(self, tokenizer: "Tokenizer", messages: Iterable[Mapping[str, str]]) -> Rendered:
        """See `Tokenizer.render`."""
        ids = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
        mask = [False] * len(ids)
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
        raise TokenizerError(f"the content of message {number} must be a string")
    return role, said
