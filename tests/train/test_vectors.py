"""Embeddings begin with word vectors, by token, scaled as the rest."""

import pytest
import torch

from glassformer.errors import SettingError
from glassformer.tokenizers.word import Word
from glassformer.train.vectors import start_from_vectors

TOKENIZER = Word(vocab_size=50, min_frequency=1).train(["the goat sat . the hen sat , a goat"])


def table(rows: int = 50, width: int = 8) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0)) * 0.02


def row(word: str) -> str:
    generator = torch.Generator().manual_seed(len(word))
    return " ".join([word, *(f"{x:.4f}" for x in torch.randn(8, generator=generator).tolist())])


@pytest.mark.parametrize("header", ["", "3 8\n"])
def test_tokens_take_their_words_vectors_with_and_without_a_space_before(tmp_path, header):
    (tmp_path / "v.txt").write_text(header + "\n".join(map(row, ["goat", "zebra", "the"])) + "\n")
    weight, before = table(), table()
    n = start_from_vectors(weight, TOKENIZER, tmp_path / "v.txt")
    changed = (weight != before).any(1).nonzero().flatten().tolist()
    texts = {TOKENIZER.token_bytes[id].decode().strip() for id in changed}
    assert texts == {"goat", "the"} and n == len(changed)
    for id in changed:
        word = TOKENIZER.token_bytes[id].decode().strip()
        given = torch.tensor([float(x) for x in row(word).split()[1:]])
        assert torch.nn.functional.cosine_similarity(weight[id], given, dim=0) > 0.9999
    assert weight[changed].std().item() == pytest.approx(before.std().item(), rel=0.2)


@pytest.mark.parametrize(("text", "message"), [
    ("goat 1 2 3\n", "v.txt has vectors of 3 numbers and model.n_embd is 8"),
    ("400000 300\n" + row("goat") + "\n", "v.txt has vectors of 300 numbers and model.n_embd is 8"),
    (row("goat") + " 1\n" + row("hen") + " 2\n", "v.txt has vectors of 9 numbers and model.n_embd is 8"),
    ("\n".join(map(row, "abc")) + "\ngoat 1 2 3\n", "v.txt:4 has 3 numbers instead of 8; repair the line"),
    (row("hen") + "\ngoat 1 2 3 4 5 6 7 x\n", "v.txt:2 is not a word and its numbers"),
    (row("goat").replace(row("goat").split()[1], "nan") + "\n", "not finite"),
    (row("zebra") + "\n", "no word that is a token"),
    ("", "no word that is a token"),
])  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "v.txt").write_text(text)
    weight = table()
    with pytest.raises(SettingError, match=message):
        start_from_vectors(weight, TOKENIZER, tmp_path / "v.txt")
    assert torch.equal(weight, table())


@pytest.mark.parametrize("header", ["", "6 8\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_fault_15_words_with_spaces_and_numbers(tmp_path, header, end):
    """As in GloVe 840B: spaces within a word, words that are numbers or white space of Unicode."""
    words = ["goat", "at name@example.com", ". . .", "1 2", "\xa0", "x\x85y", "the"]
    (tmp_path / "v.txt").write_text(header + end.join(map(row, words)) + end, encoding="utf-8", newline="")
    weight, plain = table(), table()
    n = start_from_vectors(weight, TOKENIZER, tmp_path / "v.txt")
    (tmp_path / "plain.txt").write_text("\n".join([row("goat"), row("the")]) + "\n")
    assert n == start_from_vectors(plain, TOKENIZER, tmp_path / "plain.txt") > 1 and torch.equal(weight, plain)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingError, match="cannot be read"):
        start_from_vectors(table(), TOKENIZER, tmp_path / "none.txt")
