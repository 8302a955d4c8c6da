"""The tokenizer's file: one JSON object, checked for shape before anything is built from it.

A tokenizer is handed on with its model, so the file may come from a stranger. Reading it runs nothing, and checks before
it allocates: first the size, then the JSON (no repeated keys, no endless nesting), then the types.
"""

import json
from pathlib import Path
from typing import Any, TypeGuard

from glassformer.errors import TokenizerError

HEADER = {"format": "glassformer tokenizer", "version": 1}
LARGEST_VOCABULARY = 1 << 20
"""No id reaches this; a file that asks for more is refused before anything is allocated."""
LARGEST_FILE = 64 << 20  # bytes; GPT-2's tokenizer is 1 MB, the largest public ones are below 40


def read(path: str | Path, most: int | None = None) -> str:
    """The text of a file of at most `most` bytes (default LARGEST_FILE).

    Raises TokenizerError, without the path, which the caller adds.
    """
    most = most or LARGEST_FILE
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise TokenizerError(f"the file cannot be read ({error.strerror or error})") from None
    if len(data) > most:
        raise TokenizerError(f"the file is larger than {most >> 20} MB, so it is not a tokenizer")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise TokenizerError("the file is not UTF-8 text") from None


def parse(text: str) -> Any:
    """The value of a JSON text. Raises TokenizerError."""
    try:
        return json.loads(text, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        raise TokenizerError(f"line {error.lineno} is not valid JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; thousands of nested brackets
        raise TokenizerError(f"the JSON is refused ({error})") from None


def parse_tokenizer(text: str) -> dict[str, Any]:
    """The tree that a Tokenizer wrote, without its header, with `name` a string and `special` a dict of str to int."""
    tree = parse(text)
    if not isinstance(tree, dict) or tree.get("format") != HEADER["format"]:
        raise TokenizerError("this is not a Glassformer tokenizer")
    if tree.get("version") != HEADER["version"]:
        version = str(tree.get("version"))[:20]
        raise TokenizerError(f"its version is {version}, and this Glassformer reads version {HEADER['version']}")
    if not isinstance(tree.get("name"), str):
        raise TokenizerError("'name' must be the kind of tokenizer")
    special = tree.get("special")
    if not isinstance(special, dict) or not integers(list(special.values())):
        raise TokenizerError("'special' must give an id for each special token")
    if not all(name and is_well_formed(name) for name in special):
        raise TokenizerError("a special token is empty or not valid Unicode")
    return {key: value for key, value in tree.items() if key not in HEADER}


def expect(state: dict[str, Any], *required: str, optional: tuple[str, ...] = ()) -> None:
    """Raises TokenizerError unless `state` has all the required keys, and no others except the optional ones."""
    for key in required:
        if key not in state:
            raise TokenizerError(f"'{key}' is missing")
    for key in state:
        if key not in required and key not in optional:
            raise TokenizerError(f"'{key[:80]}' does not belong in this kind of tokenizer")


def integers(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int for item in value)


def strings(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(type(item) is str for item in value)


def vocabulary(value: Any, key: str) -> list[str]:
    """A list of distinct tokens, none of them empty. Raises TokenizerError."""
    if not strings(value) or len(value) >= LARGEST_VOCABULARY:
        raise TokenizerError(f"'{key}' must be a list of fewer than {LARGEST_VOCABULARY} strings")
    if not all(value) or len(set(value)) != len(value) or not is_well_formed("".join(value)):
        raise TokenizerError(f"'{key}' contains a token that is empty, repeated, or not valid Unicode")
    return value


def is_well_formed(text: str) -> bool:
    """Whether a JSON string could be written as UTF-8 (its escapes can spell half a surrogate pair)."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def to_json(tree: dict[str, Any]) -> str:
    """JSON with one key per line, and one line per string of a list; numbers stand side by side."""
    return "{\n" + ",\n".join(f"{_compact(key)}: {_value(value)}" for key, value in tree.items()) + "\n}\n"


def _value(value: Any) -> str:
    if strings(value) and value:
        return "[\n" + ",\n".join(map(_compact, value)) + "\n]"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in tree if keys.count(key) > 1)
        raise ValueError(f"the key '{repeated[:80]}' is repeated")
    return tree
