"""Which special token ends a document, for files that do not say so themselves.

`vocab.json`, `merges.txt` and `tokenizer.json` list special tokens without a purpose. Hugging Face's libraries keep
that in files beside them, as the end-of-sequence token of the model: "eos_token" in `tokenizer_config.json` and
`special_tokens_map.json`, or "eos_token_id" in the model's `config.json`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glassformer.errors import TokenizerError
from glassformer.tokenizers import END_OF_TEXT, _file


def end_token(folder: Path, special: Mapping[str, int]) -> str | None:
    """The name of the end token: <|endoftext|> if there is one, else what the files in this folder say, else None.

    A chat model's end-of-sequence token ends a turn, which is why <|endoftext|> goes first. Raises TokenizerError for a
    file that is damaged.
    """
    if END_OF_TEXT in special:
        return END_OF_TEXT
    name_of = {id: name for name, id in special.items()}
    for file, key in (
        ("tokenizer_config.json", "eos_token"), ("special_tokens_map.json", "eos_token"), ("config.json", "eos_token_id"),
    ):  # fmt: skip
        for value in _values(folder / file, key):
            if isinstance(value, str) and value in special:
                return value
            if type(value) is int and value in name_of:
                return name_of[value]
    return None


def _values(path: Path, key: str) -> list[Any]:
    """What a JSON file gives for this key, as a list; a token may be an object with its text as "content"."""
    if not path.is_file():
        return []
    try:
        tree = _file.parse(_file.read(path))
    except TokenizerError as error:
        raise TokenizerError(f"{path.name}, which names the end token, is damaged: {error}") from None
    value = tree.get(key) if isinstance(tree, dict) else None
    values = value if isinstance(value, list) else [value]
    return [value.get("content") if isinstance(value, dict) else value for value in values]
