"""Embeddings that start from trained word vectors, in the text format of word2vec, GloVe and fastText.

    400000 50                  the first line may give the number of words and the width of the vectors
    goat 0.31 -0.25 ...        a word and its vector

If the text of a token, without the space before it, is a word of the file, the token starts from that word's vector. The
vectors are scaled to the standard deviation that the initialisation gave the table. The other tokens keep their random
vectors.
"""

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
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                word, *numbers = line.rstrip().split(" ")
                if number == 1 and len(numbers) == 1:
                    continue  # the count of words and their width
                if len(numbers) != width:
                    raise SettingError(
                        f"{path}:{number} has {len(numbers)} numbers and model.n_embd is {width}; give vectors of that "
                        "width, or set model.n_embd to theirs"
                    )
                if word in wanted and word not in found:
                    found[word] = torch.tensor([float(x) for x in numbers])
                    if not found[word].isfinite().all():
                        raise ValueError("a number is not finite")
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror or error}); check the path") from None
    except ValueError as error:
        raise SettingError(f"{path}:{number} is not a word and its numbers ({error}); repair the line") from None
    return found
