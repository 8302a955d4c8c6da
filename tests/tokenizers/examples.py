"""Texts that tokenizers get wrong, strategies that find more of them, and one small tokenizer of each kind."""

import functools
import unicodedata

from hypothesis import strategies as st

from glassformer.config import variants
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, well_formed
from glassformer.tokenizers._words import split

TRICKY = [
    "",
    " ",
    "Once upon a time, there was a little goat. It didn't like rain!",
    "def f(x):\n    if x:\n\t\treturn {'a': [1, 22, 333, 4444]}  # done\n\n\n",
    "I'LL we'Ve it'S 'twas d'accord",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇫🇷",
    "我喜欢猫。你呢？ 日本語の文章です。 한국어 문장",
    "שלום עולם‏ مرحبا بالعالم",
    "e\u0301 n\u0303 a\u0300\u0301\u0302 \u0915\u094d\u0937",
    "one\r\ntwo\rthree\n\r\n four\u2028five\u0085six",
    "a" + " " * 100 + "b \t \t c   ",
    "   leading, trailing   \n  \n",
    "\n  ",
    "\x00\x01\x7f\x80\x00",
    "1234567890 ٣٤٥ ⅷ ½ 10¹²",
    "<|endoftext|> <|endoftext|><|end",
    "\u00a0\u2003\u3000x\ufeffy",
    "a" * 300 + "b" * 7,
    "\U0010ffff\ufffd\u0130\u0149ſ'ſ",
]

ASSIGNED = st.characters(exclude_categories=("Cs", "Cn"))
"""Characters that this Python's Unicode knows: every library's tables agree about their letters and numbers."""

WORDS = [
    "the",
    " cat",
    " 's",
    "'LL",
    "\n",
    "\r\n",
    "  ",
    "\t",
    "é",
    "猫",
    "12",
    "x_1",
    "—",
    "🙂",
    "\u200d",
    "\x00",
    ".",
]
MIXED = st.one_of(
    st.text(ASSIGNED, max_size=40), st.lists(st.sampled_from(WORDS), max_size=20).map("".join), st.sampled_from(TRICKY)
)


def known_everywhere(text: str) -> bool:
    return all(unicodedata.category(character) not in ("Cs", "Cn") for character in text)


@functools.cache
def small(name: str) -> Tokenizer:
    """A tokenizer of this kind, trained on TRICKY, with two special tokens of which one begins like the other."""
    knobs = {"special": ["<|user|>", "<|user|>!"]} | ({"vocab_size": 400} if name == "bpe" else {})
    knobs |= {"min_frequency": 2} if name == "wordpiece" else {}
    return TokenizerRecipe.named(name, **knobs).train(TRICKY)


def covered(tokenizer: Tokenizer, text: str) -> str:
    """The part of a text that the tokenizer covers: all of it, but for kinds with a closed vocabulary."""
    if tokenizer.name == "char":
        return "".join(c for c in text if c in tokenizer.characters)
    if tokenizer.name not in ("word", "wordpiece"):
        return text
    text, before = well_formed(text), None
    while text != before:  # what is left out may join its neighbours to a new word
        before = text
        text = "".join(piece for piece in split(text) if tokenizer.covers(piece))
    return text


def kinds() -> list[str]:
    return variants(TokenizerRecipe)
