"""Promises of a tokenizer (`tokenizer`), tried on texts that tokenizers get wrong."""

import tempfile
from pathlib import Path
from typing import Any

from glassformer.errors import TokenizerError
from glassformer.lab.contracts._alone import cases, label
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, load

__all__ = ["BASIS", "PROMISES", "cases", "label"]

TEXTS = [
    "Once upon a time, there was a little goat. It didn't like rain!",
    "def f(x):\n    if x:\n\t\treturn {'a': [1, 22, 333]}  # done\n\n\n",
    "👩‍👩‍👧 🏳️‍🌈 🇫🇷  我喜欢猫。你呢？ שלום مرحبا",
    "e\u0301 n\u0303 \u0915\u094d\u0937 ﬁ Å \u212b",
    "one\r\ntwo\rthree\n\r\n four\u2028five\u0085six",
    "a" + " " * 30 + "b \t \t c   ",
    "   leading, trailing   \n  \n",
    "\x00\x01\x7f\x80\x00",
    "<|endoftext|> <|endoftext|><|end",
    "\u00a0\u2003\u3000x\ufeffy",
    "a" * 300,
    " ",
    "\n",
    "",
]
"""Code, emoji, several scripts, combining marks, kinds of line breaks, spaces, control characters, special tokens."""


def trained(recipe: TokenizerRecipe) -> Tokenizer:
    """The tokenizer of the texts, with a special token more than usual."""
    made: Any = recipe.train(iter([*TEXTS, *TEXTS]))
    assert isinstance(made, Tokenizer), f"train returns a {type(made).__name__}, no Tokenizer"
    return made


def shown(text: str) -> str:
    """A text as an error quotes it."""
    return f"{text[:40]!r}{'...' if len(text) > 40 else ''}"


def trains_on_texts(recipe: TokenizerRecipe) -> None:
    """`train(texts)` reads the texts once and gives a Tokenizer with an id that ends a document."""
    tokenizer = trained(recipe)
    assert tokenizer.end_of_text is not None, "it has no <|endoftext|>: pass self.special_from(n) to Tokenizer.__init__"
    for text in TEXTS:
        ids = tokenizer.encode(text)
        wrong = [id for id in ids if not (isinstance(id, int) and 0 <= id < tokenizer.vocab_size)]
        assert not wrong, f"{shown(text)} has the id {wrong[0]!r}, and there are {tokenizer.vocab_size} ids"
    assert tokenizer.encode("") == [], f"the empty text has the ids {tokenizer.encode('')}"


def gives_each_text_back(recipe: TokenizerRecipe) -> None:
    """`decode(encode(text)) == text` for every text that it was trained on; other texts, too, or they are refused."""
    if not recipe.LOSSLESS:
        return
    tokenizer = trained(recipe)
    for text in [*TEXTS, "Ünseen 字 \U0001f984"]:
        try:
            back = tokenizer.decode(tokenizer.encode(text))
        except TokenizerError:
            assert text not in TEXTS, f"{shown(text)} is refused, although it was trained on it"
            continue
        assert back == text, (
            f"{shown(text)} comes back as {shown(back)}; keep what is lost, or declare that texts change on purpose: "
            "`LOSSLESS = False` in the recipe"
        )


def special_tokens_come_from_no_text(recipe: TokenizerRecipe) -> None:
    """A user who writes `<|endoftext|>` gets its characters, and with `allow_special` the special token."""
    tokenizer = trained(recipe)
    ids = tokenizer.encode("a <|endoftext|>")
    assert not {*ids} & {*tokenizer.special.values()}, f"the text 'a <|endoftext|>' becomes the special token: {ids}"
    allowed = tokenizer.encode("<|endoftext|>", allow_special=True)
    assert allowed == [tokenizer.end_of_text], f"with allow_special, <|endoftext|> becomes {allowed}"


def saved_equals_loaded(recipe: TokenizerRecipe) -> None:
    """Saved as JSON and loaded, it gives the same ids and has the same fingerprint."""
    tokenizer = trained(recipe)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(path := Path(folder) / "tokenizer.json")
        again = load(path, type(recipe))
    assert again.fingerprint() == tokenizer.fingerprint(), (
        "the loaded one has another fingerprint: see `state` and `restore`"
    )
    assert again.vocab_size == tokenizer.vocab_size, f"{tokenizer.vocab_size} ids become {again.vocab_size}"
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text), f"{shown(text)} has other ids after loading"


def the_same_texts_give_the_same_tokenizer(recipe: TokenizerRecipe) -> None:
    """Trained twice on the same texts, it has the same fingerprint: prepared data are found again."""
    assert trained(recipe).fingerprint() == trained(recipe).fingerprint(), "trained twice on the same texts, it differs"


def arrays_equal_lists(recipe: TokenizerRecipe) -> None:
    """`encode_array`, which encodes a corpus, gives what `encode` gives."""
    tokenizer = trained(recipe)
    for text, ids in zip(TEXTS, tokenizer.encode_array(TEXTS), strict=True):
        assert ids.tolist() == tokenizer.encode(text), f"encode_array and encode differ for {shown(text)}"
        assert ids.dtype == tokenizer.dtype, (
            f"encode_array gives {ids.dtype} instead of {tokenizer.dtype}: use self.dtype"
        )


def tokens_lie_in_the_text(recipe: TokenizerRecipe) -> None:
    """`encode_with_offsets` says where each token lies; the places cover the text in order."""
    if not recipe.LOSSLESS:
        return
    tokenizer = trained(recipe)
    for text in TEXTS:
        ids, places = tokenizer.encode_with_offsets(text)
        assert ids == tokenizer.encode(text), f"encode_with_offsets has other ids for {shown(text)}"
        at = 0
        for start, end in places:
            assert start <= at <= end <= len(text), f"the places of the tokens of {shown(text)} have a hole at {at}"
            at = end
        assert at == len(text), f"the places of the tokens of {shown(text)} end at {at} of {len(text)} characters"


BASIS = [trains_on_texts]
PROMISES = [
    gives_each_text_back, special_tokens_come_from_no_text, saved_equals_loaded, the_same_texts_give_the_same_tokenizer,
    arrays_equal_lists, tokens_lie_in_the_text,
]  # fmt: skip
