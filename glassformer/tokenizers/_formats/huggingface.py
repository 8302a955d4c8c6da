"""Hugging Face's `tokenizer.json`: a normaliser, a pre-tokeniser and a model, as one JSON tree.

Read and written exactly: byte-level BPE (GPT-2, GPT-4, Llama 3 and their relatives) with a pattern we know, and
WordPiece in BERT's two readings and in our own. All other parts are refused by name. Their library always finds special
tokens in text, ours only when allowed: their `encode(text, add_special_tokens=False)` gives the ids of our
`encode(text, allow_special=True)`.
"""

import json
from pathlib import Path
from typing import Any

from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import END_OF_TEXT, LARGEST_VOCABULARY, Tokenizer, _file, _words
from glassformer.tokenizers._formats.gpt2 import vocabulary
from glassformer.tokenizers.bpe import BPETokenizer
from glassformer.tokenizers.bpe.merges import read_merges, show, write_merges
from glassformer.tokenizers.bpe.patterns import PATTERNS, Splitter
from glassformer.tokenizers.wordpiece import Reading, WordPieceTokenizer

Tree = dict[str, Any]


def _byte_level(use_regex: bool) -> Tree:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _split(pattern: str) -> Tree:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _bert(lowercase: bool) -> Tree:
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": lowercase}  # fmt: skip


READINGS: dict[Reading, tuple[Tree | None, Tree]] = {
    "exact": (None, _split(_words.WORDS)),
    "bert-uncased": (_bert(True), {"type": "BertPreTokenizer"}),
    "bert-cased": (_bert(False), {"type": "BertPreTokenizer"}),
}
"""Each reading of WordPiece as their (normalizer, pre_tokenizer)."""


def from_tree(tree: Tree) -> Tokenizer:
    """The tokenizer of a parsed file. Raises TokenizerError, naming what we do not have."""
    model, added = tree["model"], tree.get("added_tokens") or []
    if not isinstance(model, dict) or not isinstance(added, list):
        raise TokenizerError("'model' must be an object and 'added_tokens' a list")
    for part in ("truncation", "padding"):
        if tree.get(part) is not None:
            raise _refused(part, tree[part])
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not _file.integers(list(vocab.values())) or len(vocab) > LARGEST_VOCABULARY:
        raise TokenizerError(f"'model.vocab' must give an id for each of at most {LARGEST_VOCABULARY} tokens")
    special = _special(added)
    for name, id in special.items():
        if vocab.get(name, id) != id:
            raise TokenizerError(f"the added token {name!r:.60} has two ids")
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind == "BPE":
        return _bpe(tree, model, vocab, special)
    if kind == "WordPiece":
        return _wordpiece(tree, model, vocab, special)
    raise TokenizerError(f"its model is {kind!r:.40}, and only BPE and WordPiece can be read here")


def _special(added: list[Any]) -> dict[str, int]:
    special: dict[str, int] = {}
    for token in added:
        name, id = (token.get("content"), token.get("id")) if isinstance(token, dict) else (None, None)
        if not isinstance(name, str) or not name or not _file.is_well_formed(name) or type(id) is not int:
            raise TokenizerError("an added token lacks its 'content' or 'id'")
        if name in special:
            raise TokenizerError(f"the added token {name!r:.60} is there twice")
        if token.get("special") is not True:
            raise TokenizerError(f"the added token {name!r:.60} is not special, so user text would produce it")
        for trait in ("single_word", "lstrip", "rstrip"):
            if token.get(trait):
                raise TokenizerError(f"the added token {name!r:.60} has {trait}, which cannot be read exactly here")
        special[name] = id
    return special


def _bpe(tree: Tree, model: Tree, vocab: dict[str, int], special: dict[str, int]) -> BPETokenizer:
    for part, plain in (("dropout", 0), ("continuing_subword_prefix", ""), ("end_of_word_suffix", ""),
                        ("byte_fallback", False)):  # fmt: skip
        if model.get(part) not in (None, plain):
            raise _refused(f"model.{part}", model[part])
    if tree.get("normalizer") is not None:
        raise _refused("normalizer", tree["normalizer"])
    pattern = _pattern(tree.get("pre_tokenizer"))
    lines = model.get("merges")
    if not isinstance(lines, list) or len(lines) > LARGEST_VOCABULARY:
        raise TokenizerError(f"'model.merges' must be a list of at most {LARGEST_VOCABULARY} merges")
    lines = [" ".join(line) if _file.strings(line) else line for line in lines]
    if not _file.strings(lines):
        raise TokenizerError('a merge must be "h e" or ["h", "e"]')
    merges = read_merges(lines)
    names = [show(bytes([value])) for value in range(256)]
    names += [show(left + right) for left, right in merges]
    for name in names:
        if name not in vocab:
            raise TokenizerError(f"the vocabulary has no {name!r:.60}")
    if END_OF_TEXT in vocab:  # special in every model, even where a file forgets to say so
        special = {**special, END_OF_TEXT: vocab[END_OF_TEXT]}
    if extra := vocab.keys() - set(names) - special.keys():
        raise TokenizerError(f"the token {min(extra)!r:.60} is made by no merge")
    tokenizer = BPETokenizer(merges, pattern, special, [vocab[name] for name in names])
    if model.get("ignore_merges"):
        _check_whole_pieces(tokenizer)
    return tokenizer


def _pattern(pre: Any) -> str:
    """The name of the pattern that a pre-tokeniser cuts with. Raises TokenizerError."""
    for name, pattern in PATTERNS.items():
        if _same(pre, _pre_tokenizer(name, pattern)):
            return name
    raise _refused("pre_tokenizer", pre)


def _pre_tokenizer(name: str, pattern: str) -> Tree:
    if name in ("gpt2", "none"):
        return _byte_level(use_regex=name == "gpt2")
    return {"type": "Sequence", "pretokenizers": [_split(pattern), _byte_level(use_regex=False)]}


def _same(found: Any, wanted: Any) -> bool:
    """Equal, ignoring `trim_offsets` (it changes offsets, not ids) and filling in `use_regex`, which old files omit."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        found = {"use_regex": True, **found} if wanted.get("type") == "ByteLevel" else found
        keys = (found.keys() | wanted.keys()) - {"trim_offsets"}
        return all(key in found and key in wanted and _same(found[key], wanted[key]) for key in keys)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return type(found) is type(wanted) and found == wanted


def _check_whole_pieces(tokenizer: BPETokenizer) -> None:
    """`ignore_merges` looks whole pieces up before merging; refuse the file if that can make a difference."""
    split = Splitter(tokenizer.pattern)
    for id, piece in enumerate(tokenizer.token_bytes):
        text = piece.decode(errors="replace")
        if text.encode() == piece and list(split(text)) == [text] and tokenizer.encode(text) != [id]:
            raise TokenizerError(f"'ignore_merges' makes {text!r:.60} one token, which its merges do not")


def _wordpiece(tree: Tree, model: Tree, vocab: dict[str, int], special: dict[str, int]) -> WordPieceTokenizer:
    if model.get("continuing_subword_prefix", "##") != "##":
        raise _refused("model.continuing_subword_prefix", model["continuing_subword_prefix"])
    unknown, longest = model.get("unk_token", "[UNK]"), model.get("max_input_chars_per_word", 100)
    if not isinstance(unknown, str) or unknown not in vocab:
        raise TokenizerError("'model.unk_token' must be in the vocabulary")
    if type(longest) is not int or not 0 < longest <= 1000:
        raise _refused("model.max_input_chars_per_word", longest)
    special = {**special, **{name: vocab[name] for name in (unknown, END_OF_TEXT) if name in vocab}}
    pieces = {name: id for name, id in vocab.items() if name not in special}
    _file.vocabulary(list(pieces), "model.vocab")
    normalizer = tree.get("normalizer")
    if isinstance(normalizer, dict) and normalizer.get("strip_accents") is normalizer.get("lowercase"):
        normalizer = {**normalizer, "strip_accents": None}
    for reading, parts in READINGS.items():
        if _same([normalizer, tree.get("pre_tokenizer")], list(parts)):
            return WordPieceTokenizer(list(pieces), reading, special, list(pieces.values()), unknown, longest)
    raise _refused("normalizer or pre_tokenizer", [normalizer, tree.get("pre_tokenizer")])


def _refused(part: str, value: Any) -> TokenizerError:
    try:
        shown = json.dumps(value)
    except RecursionError:
        shown = "nested without end"
    return TokenizerError(f"its {part} is {shown:.120}, which cannot be read exactly here")


def write(tokenizer: Tokenizer, path: Path) -> None:
    """Raises TokenizerError for a tokenizer that their parts cannot express exactly."""
    if isinstance(tokenizer, BPETokenizer):
        parts = _bpe_parts(tokenizer)
    elif isinstance(tokenizer, WordPieceTokenizer):
        parts = _wordpiece_parts(tokenizer)
    else:
        raise TokenizerError(
            f"tokenizer.json can hold bpe and wordpiece, and this is '{tokenizer.name}': write NAME.json"
        )
    traits = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = sorted(tokenizer.special.items(), key=lambda item: item[1])
    added = [{"id": id, "content": name, **traits, "special": True} for name, id in special]
    head = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    write_atomic(path, json.dumps({**head, **parts}, ensure_ascii=False, indent=1) + "\n")


def _bpe_parts(bpe: BPETokenizer) -> Tree:
    if bpe.pattern not in PATTERNS:
        raise TokenizerError(
            f"it cuts text with a pattern of its own, {bpe.pattern!r:.60}, which their library may read differently: "
            f"write NAME.json, or train with one of {', '.join(PATTERNS)}"
        )
    plain = {"dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}  # fmt: skip
    return {
        "normalizer": None,
        "pre_tokenizer": _pre_tokenizer(bpe.pattern, PATTERNS[bpe.pattern]),
        "post_processor": None,
        "decoder": _byte_level(use_regex=True),
        "model": {"type": "BPE", **plain, "vocab": vocabulary(bpe), "merges": write_merges(bpe.merges)},
    }


def _wordpiece_parts(wordpiece: WordPieceTokenizer) -> Tree:
    normalizer, pre_tokenizer = READINGS[wordpiece.reading]
    vocab = {**dict(zip(wordpiece.pieces, wordpiece.ids)), **wordpiece.special}
    if len(vocab) < len(wordpiece.pieces) + len(wordpiece.special):
        raise TokenizerError("a special token and an ordinary one would look the same; rename it")
    model = {"unk_token": wordpiece.unknown, "continuing_subword_prefix": "##",
             "max_input_chars_per_word": wordpiece.longest_word}  # fmt: skip
    return {
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {"type": "WordPiece", **model, "vocab": dict(sorted(vocab.items(), key=lambda item: item[1]))},
    }
