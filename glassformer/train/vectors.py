"""Embeddings that start from trained word vectors, in the text format of word2vec, GloVe and fastText.

    400000 50                  the first line may give the number of words and the width of the vectors
    goat 0.31 -0.25 ...        a word and its vector
    New York 0.12 0.8 ...      in some files a word has spaces: the numbers are the last ones of the line

If the text of a token, without the space before it, is a word of the file, the token starts from that word's vector. The
vectors are scaled to the standard deviation that the initialisation gave the table. The other tokens keep their random
vectors.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from glassformer.errors import SettingError
from glassformer.tokenizers import Tokenizer

LONGEST_LINE = 1 << 20  # characters


@torch.no_grad()
def start_from_vectors(weight: Tensor, tokenizer: Tokenizer, path: str | Path) -> int:
    """Fill rows of an embedding table (V, C) in place and return how many. Raises SettingError naming a line that is
    wrong.
    """
    words: dict[str, list[int]] = {}
    for id, piece in enumerate(tokenizer.token_bytes):
        if text := piece.decode("utf-8", "replace").strip():
            words.setdefault(text, []).append(id)
    found = _read(Path(path), words, weight.shape[1])
    if not found:
        raise SettingError(f"{path} has no word that is a token of this tokenizer; train with whole words (tokenizer=word)")
    rows = torch.stack([vector for vector in found.values()])
    scale = weight.std() / rows.std().clamp(min=1e-12)
    filled = [(id, row) for word, row in zip(found, rows) for id in words[word]]
    index = torch.tensor([id for id, _ in filled], device=weight.device)
    weight[index] = (torch.stack([row for _, row in filled]) * scale.cpu()).to(weight)
    return len(filled)


def _read(path: Path, wanted: dict[str, list[int]], width: int) -> dict[str, Tensor]:
    """The vectors of the wanted words. If a word comes twice, its first vector counts."""
    found: dict[str, Tensor] = {}
    number = 0
    try:
        _check_width(path, width)
        for number, fields in _lines(path):
            if number == 1 and _is_header(fields):
                continue
            if len(fields) <= width:
                raise SettingError(f"{path}:{number} has {len(fields) - 1} numbers instead of {width}; repair the line")
            word = " ".join(fields[:-width])
            if word in wanted and word not in found:
                found[word] = torch.tensor([float(x) for x in fields[-width:]])
                if not found[word].isfinite().all():
                    raise ValueError("a number is not finite")
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror or error}); check the path") from None
    except ValueError as error:
        raise SettingError(f"{path}:{number} is not a word and its numbers ({error}); repair the line") from None
    return found


def _check_width(path: Path, width: int) -> None:
    """Raises SettingError unless the vectors have this width: the first line says theirs, or most of the first lines show
    it, whose words have no spaces."""
    lines = list(itertools.islice(_lines(path), 1000))
    if not lines:
        return
    first = lines[0][1]
    usual = Counter(len(fields) - 1 for _, fields in lines).most_common(1)[0][0]
    found = int(first[1]) if _is_header(first) else usual
    if found != width:
        raise SettingError(
            f"{path} has vectors of {found} numbers and model.n_embd is {width}; give vectors of that width, or set "
            "model.n_embd to theirs"
        )


def _is_header(fields: list[str]) -> bool:
    return len(fields) == 2 and all(field.isdecimal() for field in fields)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines with their numbers, cut at spaces."""
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        for number in itertools.count(1):
            if not (line := file.readline(LONGEST_LINE)):
                return
            yield number, line.rstrip(" \r\n").split(" ")
