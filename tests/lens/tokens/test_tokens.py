"""`glass tokenize`: the views show the tokenizer's own tokens, the replay is the encoding, bad input is one sentence."""

import doctest
import io
import json
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from glassformer import cli
from glassformer.errors import GlassError
from glassformer.lens.tokens import Named, colours, find, terminal, vocabulary
from glassformer.lens.tokens.compare import rows
from glassformer.lens.tokens.cut import cut
from glassformer.lens.tokens.replay import encode_first, replay
from glassformer.tokenizers import TokenizerRecipe
from glassformer.tokenizers import _formats as formats
from glassformer.tokenizers.bpe import BPE

TEXT = "The goat's hat.\n\nThe hen likes the goat; the goat likes 12 hats! 猫は🙂 def f(x):\n    return x\n"
bpe = BPE(vocab_size=420).train([TEXT * 3])
words = TokenizerRecipe.named("word").train([TEXT])
MIXED = st.one_of(
    st.text(max_size=40), st.lists(st.sampled_from(["the", " goat", "hat", "\n", "猫", "12", " "])).map("".join)
)


@given(text=MIXED, k=st.integers(0, 200))
def test_the_first_k_merges_give_the_replay_after_k_steps(text, k):
    after = [step for step in replay(bpe, text) if step.number <= k][-1]
    id_of = {piece: id for id, piece in enumerate(bpe.token_bytes) if piece}
    assert encode_first(bpe, text, k) == [id_of[token] for token in after.tokens]


@given(text=MIXED)
def test_the_replay_ends_with_the_encoding(text):
    steps = list(replay(bpe, text))
    assert steps[-1].tokens == [bpe.token_bytes[id] for id in bpe.encode(text)]
    numbers = [step.number for step in steps]
    assert numbers == sorted(set(numbers)) and numbers[0] == 0
    for before, step in zip(steps, steps[1:]):
        assert step.left + step.right in step.tokens and bpe.merges[step.number - 1] == (step.left, step.right)
        assert step.joined == len(before.tokens) - len(step.tokens) > 0


@given(text=st.text(), k=st.integers(0, 200))
def test_fewer_merges_still_round_trip(text, k):
    assert bpe.decode(encode_first(bpe, text, k)) == bpe.decode(bpe.encode(text))


@given(data=st.binary(max_size=20))
def test_nothing_that_a_terminal_obeys_is_shown(data):
    shown = colours.visible(data)
    assert all(c.isprintable() or c == "\u200d" for c in shown) and bool(shown) == bool(data)


@given(text=st.text(max_size=60))
def test_every_byte_counts_once_by_class(text):
    counts = vocabulary.count(bpe, [text])
    assert sum(counts.bytes_of.values()) == len(bpe.decode(bpe.encode(text)).encode()) and counts.not_covered == 0
    assert sum(counts.tokens_of.values()) == counts.of_id.sum() == len(bpe.encode(text))


def test_classes_are_those_of_the_scripts():
    byte = TokenizerRecipe.named("byte").train([])
    counts = vocabulary.count(byte, ["aé1 .猫כ🙂", "я\u200d"])
    assert {name: n for name, n in counts.bytes_of.items() if n} == {
        "Latin": 3, "digits": 1, "white space": 1, "punctuation": 1, "Han": 3, "Hebrew": 2, "emoji and signs": 7,
        "Cyrillic": 2,
    }  # fmt: skip


def test_texts_that_do_not_come_back_are_told():
    char = TokenizerRecipe.named("char").train(["abc"])
    assert vocabulary.count(char, ["abc", "abd"]).not_covered == 1
    counts = vocabulary.count(words, ["The zebra"])
    assert counts.not_covered == 1 and counts.of_id[words.special["<unk>"]] == 1


def printed(show, *arguments, **kwargs) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    show(*arguments, console, **kwargs)
    return console.file.getvalue()


def test_the_report_names_longest_unused_and_undertrained(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 3, "utf-8")
    out = printed(terminal.print_report, Named("mine", bpe, "a test"), str(tmp_path / "a.txt"))
    for title in ("longest tokens", "most frequent", "never used", "undertrained", "Latin", "bytes per token"):
        assert title in out


def test_the_view_shows_ids_and_byte_spans():
    byte = TokenizerRecipe.named("byte").train([])
    out = printed(terminal.print_tokens, Named("b", byte, "a test"), "a 猫")
    for fact in ("a|·|<e7>|<8c>|<ab>", "a 97 0-1", "· 32 1-2", "<ab> 171 4-5", "5 tokens for 5 bytes"):
        assert fact in out
    assert "does not give this text back" in printed(terminal.print_tokens, Named("w", words, "a test"), "The zebra")


@given(text=MIXED)
def test_a_cut_is_the_encoding_with_its_places(text):
    tokens = cut(bpe, text)
    assert [token.id for token in tokens] == bpe.encode(text)
    assert all(text.encode()[token.start : token.end] == token.piece != b"" for token in tokens)
    assert (tokens[-1].end if tokens else 0) == len(text.encode())


def test_what_is_compared_is_the_tokenizers_own():
    char = TokenizerRecipe.named("char").train(["abc"])
    one, two, three = rows([Named("one", bpe, ""), Named("two", words, ""), Named("three", char, "")], "The goat")
    assert one.ids == bpe.encode("The goat") and one.bytes_per_token == 8 / len(one.ids) and one.comes_back
    assert three.ids is None and "U+0054" in three.refusal and not three.comes_back
    (two,) = rows([Named("two", words, "")], "The zebra")
    assert not two.comes_back and two.ids == words.encode("The zebra") and two.bits_per_byte is None
    with pytest.raises(GlassError, match="no text"):
        rows([Named("one", bpe, "")], "")


def test_every_ordinary_token_is_used_rarely_or_often(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 3, "utf-8")
    found = vocabulary.usage(bpe, str(tmp_path / "a.txt"))
    n, seen = found.n_ordinary, found.counts.of_id
    assert n == len(found.longest) == len(found.most_frequent) == bpe.vocab_size - 1
    lengths = [len(bpe.token_bytes[id]) for id in found.longest]
    assert lengths == sorted(lengths, reverse=True)
    assert all(np.diff(seen[found.most_frequent]) <= 0) and all(np.diff(seen[found.undertrained]) >= 0)
    assert not seen[found.unused].any() and {*seen[found.undertrained]} <= {*range(1, vocabulary.RARE)}
    assert len(found.unused) + len(found.undertrained) + (seen >= vocabulary.RARE).sum() == n


def test_the_comparison_has_a_row_for_each():
    char = TokenizerRecipe.named("char").train(["abc"])
    three = [Named("one", bpe, ""), Named("two", words, ""), Named("three", char, "")]
    out = printed(terminal.print_comparison, three, "The goat")
    rows = {line.split()[0]: line for line in out.splitlines()[2:5]}
    assert "yes" in rows["one"] and "yes" in rows["two"] and "no" in rows["three"] and "bits" not in out


def test_a_text_is_itself_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("from a file", "utf-8")
    assert find.text(str(tmp_path / "a.txt")) == "from a file"
    for text in ("just words", "", "x" * 5000, "nul\0", "either/or"):
        assert find.text(text) == text
    assert find.text("bad\udcff") == "bad\ufffd"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é".encode())))
    assert find.text("-") == "é"
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(GlassError, match="UTF-8"):
        find.text(str(tmp_path / "latin.txt"))


@pytest.fixture
def glass(glass):
    """The same with `tokenize` before the words."""
    return partial(glass, "tokenize")


def test_without_a_name_it_is_bytes_and_then_the_newest_run(glass, tmp_path):
    assert "byte, 257 ids" in glass("hi")[1]
    folder = tmp_path / "runs/mine/checkpoints/00000005"
    bpe.save(folder / "tokenizer.json")
    assert "the newest run" in glass("hi")[1] and "runs/mine" in glass("hi")[1]
    assert "checkpoint 00000005" in glass("hi", "-t", "runs/mine")[1]


def test_replay_compare_and_kinds(glass, tmp_path):
    bpe.save(tmp_path / "mine.json")
    code, out, _ = glass("The goat", "-t", "mine.json", "--replay")
    assert code == 0 and "merge " in out and "bytes: 8 tokens" in out
    code, out, _ = glass("Once upon a time", "--compare", "byte", "word", "mine.json")
    assert code == 0 and "mine.json" in out and "bytes per token" in out


@pytest.mark.parametrize("name", ["tokenizer.json", "mine.json", "mine.tiktoken", "folder"])
def test_one_verb_converts(glass, tmp_path, name):
    ours = BPE(vocab_size=300, pattern="gpt2").train([TEXT])
    ours.save(tmp_path / "ours.json")
    code, out, _ = glass("-t", "ours.json", "--save", name)
    assert code == 0 and "wrote" in out
    again = formats.read(tmp_path / name, "gpt2")
    assert again.encode(TEXT) == ours.encode(TEXT)
    assert glass("-t", "ours.json", "--save", name)[0] == 2  # never over what is there


BAD = {
    "nothing": ((), "say what"),
    "two texts": (("a", "b"), "too many"),
    "nobody to compare": (("a", "--compare"), "which tokenizers"),
    "nothing to compare on": (("", "--compare", "byte"), "no text"),
    "a kind misspelt": (("a", "-t", "bpee"), "bpe"),
    "no such run": (("a", "-t", "runs/none"), "runs/none"),
    "a run without checkpoints": (("a", "-t", "empty"), "no checkpoint yet"),
    "another file": (("a", "-t", "other.txt"), "other.txt"),
    "replay of bytes": (("a", "-t", "byte", "--replay"), "only bpe"),
    "a replay too long": (("x" * 30_000, "-t", "own.json", "--replay"), "at most"),
    "no source": (("--report", "nowhere"), "nowhere"),
    "a name of no format": (("--save", "x.txt"), "no format"),
    "a format that cannot": (("--save", "y.tiktoken", "-t", "word.json"), "word"),
    "ranks without a pattern": (("a", "-t", "x.tiktoken"), "--pattern"),
    "text that a char tokenizer lacks": (("猫", "-t", "char.json"), "U+732B"),
}


@pytest.mark.parametrize("words_, expected", BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(glass, tmp_path, words_, expected):
    (tmp_path / "empty/checkpoints").mkdir(parents=True)
    (tmp_path / "other.txt").write_text("not a tokenizer")
    (tmp_path / "x.tiktoken").write_text("")
    bpe.save(tmp_path / "own.json")
    words.save(tmp_path / "word.json")
    TokenizerRecipe.named("char").train(["abc"]).save(tmp_path / "char.json")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    code, _, err = glass(*words_)
    assert code == 2 and expected in err and "Traceback" not in err and err.count("\n") <= 2, err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_dataset_reports_on_itself(glass, tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    for i in range(30):
        (tmp_path / f"notes/{i}.txt").write_text(f"Note {i} says {i * i} to the goat. " * 30)
    monkeypatch.setattr(sys, "argv", ["glass", "prepare", "notes", "tokenizer.vocab_size=300"])
    with pytest.raises(SystemExit):
        cli.main()
    (data,) = (path for path in (tmp_path / "data").iterdir() if path.is_dir())
    code, out, err = glass("--report", data)
    index = json.loads((data / "index.json").read_text())
    assert code == 0, err
    n_separators = index["train"]["documents"]
    assert f"{index['train']['tokens'] - n_separators:,} tokens" in " ".join(out.split())
    assert glass("--report", data, "-t", "byte")[0] == 2


@pytest.mark.parametrize("context", [512, 16])
def test_bits_per_byte_are_the_model_s_own(tmp_path, context):
    import torch

    from glassformer.lens.tokens.compare import bits_per_byte
    from glassformer.model.gpt import GPT
    from glassformer.recipes.presets import mini
    from glassformer.runs.writing import contents, save

    shape = {"n_layer": 1, "n_embd": 32, "n_head": 2, "context_length": context, "vocab_size": bpe.vocab_size}
    recipe = mini().override(*(f"model.{name}={value}" for name, value in shape.items()))
    model = GPT(recipe.model, seed=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)  # so that it has opinions
    saved = save(tmp_path / "c", contents(model, None, {"step": 0}), recipe.to_json(), bpe)
    ids, bits = torch.tensor([bpe.end_of_text, *bpe.encode(TEXT)]), 0.0
    for i in range(len(ids) - 1):  # each token alone, from what its window shows
        logits = model(ids[None, i - i % context : i + 1])[0, -1]
        bits -= torch.log_softmax(logits.double(), 0)[ids[i + 1]].item() / np.log(2)
    assert bits_per_byte(saved, TEXT) == pytest.approx(bits / len(TEXT.encode()), rel=1e-4)


def test_the_examples_in_the_docstrings_are_true():
    for example in doctest.DocTestFinder().find(colours, "colours"):
        assert doctest.DocTestRunner().run(example).failed == 0
