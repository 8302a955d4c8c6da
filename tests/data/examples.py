"""A corpus whose documents the test writes down, and datasets of it."""

import hashlib
import json
import random
from collections.abc import Iterator

from glassformer.corpora import Corpus, Document
from glassformer.data import DataConfig
from glassformer.data.prepare import prepare
from glassformer.tokenizers import TokenizerRecipe

BYTE = TokenizerRecipe.named("byte")


class Written(Corpus):
    """Documents as (text, split) pairs."""

    pairs: tuple[tuple[str, str], ...]

    def documents(self) -> Iterator[Document]:
        for i, (text, split) in enumerate(self.pairs):
            yield Document(text, f"written/{i}", split)

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.pairs).encode()).hexdigest()


def written(*texts: str, split: str = "") -> Written:
    return Written(pairs=tuple((text, split) for text in texts))


def sentences(n: int, seed: int = 0) -> list[str]:
    """n different short texts."""
    rng = random.Random(seed)
    words = "the a red kite fell on Nora's roof and zoë laughed 東 € because it rained".split()
    return [f"{i}. " + " ".join(rng.choices(words, k=rng.randint(1, 20))) + ".\n" for i in range(n)]


def dataset(folder, texts, tokenizer=BYTE, **settings):
    return prepare(written(*texts), tokenizer, DataConfig(**settings), folder)


def texts_of(split, tokenizer) -> list[str]:
    """What a split holds, decoded document by document."""
    found = []
    for start, stop in zip(split.documents[:-1].tolist(), split.documents[1:].tolist()):
        first, *rest = split.tokens[start:stop].tolist()
        assert first == tokenizer.end_of_text and tokenizer.end_of_text not in rest
        found.append(tokenizer.decode(rest))
    assert stop == len(split)
    return found
