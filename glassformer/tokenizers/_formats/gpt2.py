"""GPT-2's two files: `vocab.json` gives each token its id, `merges.txt` the merges in order (Radford et al. 2019).

How bytes are written in them is told in `tokenizers/_formats/gpt2_files.py`; reading is `tokenizers.bpe.from_gpt2`.
"""

import json
from pathlib import Path

from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import Tokenizer
from glassformer.tokenizers.bpe import BPETokenizer, from_gpt2, gpt2_files


def read(folder: Path) -> Tokenizer:
    """From the two files in a folder, and `added_tokens.json` if it is there. Raises TokenizerError."""
    added = folder / "added_tokens.json"
    return from_gpt2(folder / "vocab.json", folder / "merges.txt", *([added] if added.exists() else []))


def write(tokenizer: Tokenizer, vocab_json: Path, merges_txt: Path) -> None:
    """Raises TokenizerError for a tokenizer that is no byte-level BPE with GPT-2's pattern."""
    bpe = only_bpe(tokenizer, "GPT-2's files")
    if bpe.pattern != "gpt2":
        raise TokenizerError(
            f"GPT-2's files cannot say how text is cut, and this tokenizer cuts with {bpe.pattern!r:.60}: write "
            "tokenizer.json instead"
        )
    write_atomic(vocab_json, json.dumps(vocabulary(bpe), ensure_ascii=False) + "\n")
    write_atomic(merges_txt, "\n".join(["#version: 0.2", *gpt2_files.write_merges(bpe.merges)]) + "\n")


def vocabulary(bpe: BPETokenizer) -> dict[str, int]:
    """Every token as GPT-2 writes it, with its id, in the order of ids. Raises TokenizerError if two look the same."""
    shown = {gpt2_files.show(piece): id for id, piece in enumerate(bpe.token_bytes) if piece}
    for name in bpe.special:
        if name in shown:
            raise TokenizerError(f"the special token {name:.80} and an ordinary one would look the same; rename it")
    return dict(sorted({**shown, **bpe.special}.items(), key=lambda item: item[1]))


def only_bpe(tokenizer: Tokenizer, where: str) -> BPETokenizer:
    """The tokenizer, if it is a byte-level BPE. Raises TokenizerError."""
    if not isinstance(tokenizer, BPETokenizer):
        raise TokenizerError(f"{where} can hold a bpe tokenizer, and this is '{tokenizer.name}': write NAME.json")
    return tokenizer
