"""Steps that keep, cut or drop whole documents. A step drops a document by returning ""."""

import functools
import os
import string

import numpy as np
import regex

from glassformer.data.clean.quality import Quality

_AT_ONCE = 1 << 22  # characters
_ASCII_LETTERS = string.ascii_letters.encode()


def length(text: str, min_characters: int = 0, max_characters: int = 0, long_documents: str = "cut") -> str:
    """Drop documents with fewer than `min_characters`; cut or drop those with more than `max_characters`."""
    if len(text) < min_characters:
        return ""
    if not max_characters or len(text) <= max_characters:
        return text
    return text[:max_characters] if long_documents == "cut" else ""


def script(text: str, scripts: tuple[str, ...] = ("Latin",), script_share: float = 0.8) -> str:
    """Keep documents in which at least `script_share` of the letters belong to these scripts, or that have no
    letters."""
    inside, letters = letters_inside(text, scripts)
    return text if inside >= script_share * letters else ""


def quality(text: str, quality_model: str = "", quality_threshold: float = 0.5) -> str:
    """Keep the documents that your quality model (see `glass data quality`) gives at least this probability."""
    if not quality_model:
        return text
    changed = os.stat(quality_model).st_mtime_ns if os.path.exists(quality_model) else 0
    return text if _model(quality_model, changed).score(text) >= quality_threshold else ""


def letters_inside(text: str, scripts: tuple[str, ...]) -> tuple[int, int]:
    """(how many letters of a text belong to these scripts, how many letters it has)."""
    if text.isascii():
        letters = len(text) - len(text.encode("ascii").translate(None, _ASCII_LETTERS))
        return (letters if "latin" in map(str.lower, scripts) else 0), letters
    inside = others = 0
    for start in range(0, len(text), _AT_ONCE):
        codes = np.frombuffer(text[start : start + _AT_ONCE].encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = _letters(scripts)[codes]
        inside += int(np.count_nonzero(kinds == 2))
        others += int(np.count_nonzero(kinds == 1))
    return inside, inside + others


@functools.lru_cache(maxsize=1)
def _model(path: str, changed: int) -> Quality:
    """The model in a file, which is read again only if `changed`, the file's time, is another. Raises DatasetError."""
    return Quality.load(path)


@functools.cache
def _letters(scripts: tuple[str, ...]) -> np.ndarray:
    """(0x110000,) uint8: for each character 2 if it is a letter of these scripts, 1 of another script, else 0."""
    every = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    kinds = np.zeros(0x110000, np.uint8)
    inside = "".join(rf"\p{{Script={name}}}" for name in scripts)
    for kind, pattern in ((1, r"[\p{L}--[\p{Script=Common}\p{Script=Inherited}]]+"), (2, rf"[\p{{L}}&&[{inside}]]+")):
        for run in regex.finditer(pattern, every, regex.VERSION1):
            kinds[ord(run.group()[0]) : ord(run.group()[-1]) + 1] = kind
    return kinds
