"""The shapes that all parts of a model share. The model owns them; a variant has only settings of its own."""

from typing import Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from glassformer.config import Config


class Shapes(Config):
    """What a part must know of the whole model to be built."""

    vocab_size: PositiveInt = 256
    """V, the number of tokens. Set from the tokenizer when a recipe is trained."""
    absent: tuple[tuple[NonNegativeInt, NonNegativeInt], ...] = ()
    """The ids that no token has, as ranges [first, last]; none of them is ever chosen. Set from the tokenizer."""
    context_length: PositiveInt = 256
    """The longest sequence the model is trained on and can be asked to read, in tokens."""
    n_layer: PositiveInt = 4
    """The number of blocks."""
    n_head: PositiveInt = 4
    """H, the number of query heads."""
    n_kv_head: PositiveInt | None = None
    """G, the number of key/value heads (grouped-query attention); null means one for each query head."""
    n_embd: PositiveInt = 128
    """C, the width of the residual stream."""
    head_dim: PositiveInt | None = None
    """D, the width of one head; null means n_embd / n_head."""
    dropout: NonNegativeFloat = 0.0
    """The probability of dropping a number while training; 0 when every text is seen about once."""
    bias: bool = False
    """Whether linear projections carry a bias vector, as GPT-2's do."""

    @property
    def head_width(self) -> int:
        """D with its default filled in."""
        return self.head_dim or self.n_embd // self.n_head

    @property
    def key_heads(self) -> int:
        """G with its default filled in."""
        return self.n_kv_head or self.n_head

    @model_validator(mode="after")
    def _some_id_has_a_token(self) -> Self:
        inside = all(first <= last < self.vocab_size for first, last in self.absent)
        if not inside or sum(last - first + 1 for first, last in self.absent) >= self.vocab_size:
            raise ValueError(f"absent={self.absent} must be ranges of some ids below vocab_size={self.vocab_size}")
        return self

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.n_embd % self.n_head and self.head_dim is None:
            raise ValueError(f"n_embd={self.n_embd} must be a multiple of n_head={self.n_head}; change one of them")
        if self.n_head % self.key_heads:
            message = f"n_head={self.n_head} must be a multiple of n_kv_head={self.n_kv_head}; change one of them"
            raise ValueError(message)
        if self.dropout >= 1:
            raise ValueError(f"dropout={self.dropout} must be below 1; 0.1 to 0.2 is usual on small data")
        return self
