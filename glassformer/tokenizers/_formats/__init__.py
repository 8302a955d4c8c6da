"""Tokenizers of other libraries, read and written with exactly their ids.

| format | what is in it | what is missing |
|---|---|---|
| Glassformer, `*.json` | everything | |
| GPT-2, `vocab.json` + `merges.txt` | bytes, merges, special tokens, ids | the pattern (it is GPT-2's), the chat template |
| tiktoken, `*.tiktoken` | bytes, merges (as ranks), ids | pattern and special tokens, unless the file's name is known |
| Hugging Face, `tokenizer.json` | the whole tokenizer | the chat template |

Which special token ends a document is read from the files beside `vocab.json` and `tokenizer.json` (`end.py`).

A file may come from a stranger: it is read up to a limit, and checked for shape before anything is built from it. What
cannot be represented exactly is refused by name, never approximated. `read` tells formats apart by content, `write` by
the name it is given.
"""

from pathlib import Path

from glassformer.errors import TokenizerError
from glassformer.tokenizers import Tokenizer, _file
from glassformer.tokenizers._formats import gpt2, huggingface, tiktoken
from glassformer.tokenizers._formats.end import end_token

REMEDY = "give another file, or save it again with the library that wrote it"


def read(path: str | Path, pattern: str | None = None) -> Tokenizer:
    """The tokenizer in a file, or in a folder that holds `tokenizer.json` or `vocab.json` with `merges.txt`.

    `pattern` is how text is cut, for a tiktoken file with an unknown name. Raises TokenizerError naming the path.
    """
    path = Path(path)
    if path.is_dir():
        names = [name for name in ("tokenizer.json", "vocab.json") if (path / name).is_file()]
        if not names:
            raise TokenizerError(f"{path} holds no tokenizer.json and no vocab.json: give the tokenizer's own file")
        path /= names[0]
    try:
        return _read(path, pattern)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}; {REMEDY}") from None


def _read(path: Path, pattern: str | None) -> Tokenizer:
    if path.name in ("vocab.json", "merges.txt"):
        return _with_end(gpt2.read(path.parent), path.parent)
    if path.suffix == ".tiktoken":
        return tiktoken.read(path, pattern)
    text = _file.read(path)
    tree = _file.parse(text)
    if isinstance(tree, dict) and tree.get("format") == _file.HEADER["format"]:
        return Tokenizer.from_json(text)
    if isinstance(tree, dict) and "model" in tree:
        return _with_end(huggingface.from_tree(tree), path.parent)
    raise TokenizerError("this is not a tokenizer of Glassformer, Hugging Face, tiktoken or GPT-2")


def _with_end(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    tokenizer.end = end_token(folder, tokenizer.special)
    return tokenizer


def write(tokenizer: Tokenizer, path: str | Path) -> list[Path]:
    """Save in the format that the name implies; returns the files written.

    `tokenizer.json` is Hugging Face's format, any other `*.json` Glassformer's own, `*.tiktoken` is tiktoken's, and a
    name without an ending (or `vocab.json`) is a folder with GPT-2's two files. Raises TokenizerError if the format
    cannot hold the tokenizer, if a file is already there, or if the name implies no format.
    """
    path = Path(path)
    if path.name in ("vocab.json", "merges.txt"):
        path = path.parent
    files = [path] if path.suffix else [path / "vocab.json", path / "merges.txt"]
    for file in files:
        if file.exists():
            raise TokenizerError(f"{file} is already there: choose another name, or delete it first")
    if not path.suffix:
        gpt2.write(tokenizer, *files)
    elif path.suffix == ".tiktoken":
        tiktoken.write(tokenizer, path)
    elif path.name == "tokenizer.json":
        huggingface.write(tokenizer, path)
    elif path.suffix == ".json":
        tokenizer.save(path)
    else:
        raise TokenizerError(
            f"{path}: the name implies no format; end it in .tiktoken, in tokenizer.json (Hugging Face), in another "
            ".json (Glassformer), or give a folder (GPT-2)"
        )
    return files
