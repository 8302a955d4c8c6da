"""GPT-2's two files: `vocab.json` gives each token its id, `merges.txt` lists the merges in order (Radford et al. 2019).

`bpe/merges.py` explains how bytes are written in them. What the vocabulary holds beyond bytes and merges is special.
"""

import json
from pathlib import Path

from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import Tokenizer, _file
from glassformer.tokenizers.bpe import BPETokenizer
from glassformer.tokenizers.bpe.merges import Merge, read_merges, show, write_merges


def from_gpt2(vocab_json: str | Path, merges_txt: str | Path, *added_json: str | Path) -> BPETokenizer:
    """The tokenizer of a model in GPT-2's format, with exactly the ids of its `vocab.json`. Raises TokenizerError.

    >>> from_gpt2("gpt2/vocab.json", "gpt2/merges.txt").encode("Hello world")
    [15496, 995]

    A file of added tokens, which some models have, is read as a second part of the vocabulary.
    """
    try:
        merges, ids, special = _read_files(vocab_json, merges_txt, *added_json)
        return BPETokenizer(merges, "gpt2", special, ids)
    except TokenizerError as error:
        raise TokenizerError(f"{vocab_json} and {merges_txt}: {error}; download both files again") from None


def read(folder: Path) -> BPETokenizer:
    """From the two files in a folder, and `added_tokens.json` if it is there. Raises TokenizerError."""
    added = folder / "added_tokens.json"
    return from_gpt2(folder / "vocab.json", folder / "merges.txt", *([added] if added.exists() else []))


def _read_files(
    vocab_json: str | Path, merges_txt: str | Path, *added_json: str | Path
) -> tuple[list[Merge], list[int], dict[str, int]]:
    """(merges, the id of each byte and then of each merge, special tokens). Raises TokenizerError."""
    lines = [line.rstrip("\r") for line in _file.read(merges_txt).split("\n")]
    if lines[0].startswith("#version"):  # only the first line: `#version` may be a token of a vocabulary of code
        del lines[0]
    merges = read_merges(filter(None, lines))
    vocabulary: dict[str, int] = {}
    for path in (vocab_json, *added_json):
        part = _file.parse(_file.read(path))
        if not isinstance(part, dict) or not _file.integers(list(part.values())):
            raise TokenizerError("the vocabulary must give an integer id for each token")
        vocabulary |= part
    names = [*map(show, (bytes([value]) for value in range(256))), *(show(left + right) for left, right in merges)]
    for name in names:
        if name not in vocabulary:
            raise TokenizerError(f"the vocabulary has no {name!r:.80}")
    ids = [vocabulary[name] for name in names]
    made = set(names)
    return merges, ids, {name: id for name, id in vocabulary.items() if name not in made}


def write(tokenizer: Tokenizer, vocab_json: Path, merges_txt: Path) -> None:
    """Raises TokenizerError unless the tokenizer is a byte-level BPE with GPT-2's pattern."""
    bpe = only_bpe(tokenizer, "GPT-2's files")
    if bpe.pattern != "gpt2":
        raise TokenizerError(
            f"GPT-2's files cannot say how text is cut, and this tokenizer cuts with {bpe.pattern!r:.60}: write "
            "tokenizer.json instead"
        )
    write_atomic(vocab_json, json.dumps(vocabulary(bpe), ensure_ascii=False) + "\n")
    write_atomic(merges_txt, "\n".join(["#version: 0.2", *write_merges(bpe.merges)]) + "\n")


def vocabulary(bpe: BPETokenizer) -> dict[str, int]:
    """Every token as GPT-2 writes it, with its id, in the order of ids. Raises TokenizerError if two look the same."""
    shown = {show(piece): id for id, piece in enumerate(bpe.token_bytes) if piece}
    for name in bpe.special:
        if name in shown:
            raise TokenizerError(f"the special token {name:.80} and an ordinary one would look the same; rename it")
    return dict(sorted({**shown, **bpe.special}.items(), key=lambda item: item[1]))


def only_bpe(tokenizer: Tokenizer, where: str) -> BPETokenizer:
    """The tokenizer, if it is a byte-level BPE. Raises TokenizerError."""
    if not isinstance(tokenizer, BPETokenizer):
        raise TokenizerError(f"{where} can hold a bpe tokenizer, and this is '{tokenizer.name}': write NAME.json")
    return tokenizer
