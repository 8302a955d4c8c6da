"""The words of a command: what they may be called, and that none of them is without effect in silence."""

import json

import pytest

from .test_cli import SMALL

TEXT = "One morning the goat found a hat. " * 300


@pytest.mark.parametrize(
    "name", ["a" * 240 + ".txt", "\u5bd3" * 80 + ".txt", "my=book.txt", "model=1.txt", "caf\u00e9 au lait.txt"]
)
def test_fault_18_a_file_may_have_any_name(glass, tmp_path, name):
    (tmp_path / name).write_text(TEXT)
    code, _, err = glass("train", name, *SMALL[3:], "train.steps=2")
    assert code == 0, err
    assert glass("tokenize", name)[0] == 0


@pytest.mark.parametrize("word", ["my=book.txt", "notes=2024/a.txt", "a=b=c.csv"])
def test_fault_18_a_file_that_is_not_there_is_called_a_file(glass, word):
    for verb in ("train", "prepare", "plan", "settings"):
        code, _, err = glass(verb, word)
        assert code == 2 and f"'{word}' is neither a file that is there nor a setting" in err


@pytest.mark.parametrize("words", [
    ("train", "village", *SMALL, "--name", "a" * 300), ("prepare", "a" * 300), ("train", "a" * 5000), ("plan", "a" * 300),
    ("resume", "a" * 300), ("generate", "a" * 300), ("eval", "runs/" + "a" * 300), ("import", "a" * 300),
    ("tokenize", "a" * 300 + ".txt"), ("check-variant", "a" * 300 + ".py"), ("report", "a" * 300),
    ("data", "check", "a" * 300), ("data", "export", "a" * 300, "out"),
    ("train", "village", *SMALL, "train.vectors=" + "a" * 300),
    ("compare", "village", "--against", "model.norm=layernorm", "--name", "a" * 300),
], ids=lambda words: words[0])  # fmt: skip
def test_fault_18_a_name_that_no_file_can_have_is_one_sentence(glass, tmp_path, words):
    code, _, err = glass(*words)
    assert code in (0, 2) and "Traceback" not in err and "free space" not in err and err.count("\n") <= 2, err
    assert not (tmp_path / "runs").exists()


def test_fault_18_one_text_is_a_list_of_one():
    from glassformer.config import Config
    from glassformer.data.clean import CleanConfig
    from glassformer.generate.sampling import SamplingConfig
    from glassformer.recipes.presets import Recipe

    assert SamplingConfig().override("stop=END").stop == ("END",)
    assert SamplingConfig().override("stop=a,b").stop == ("a,b",)
    assert SamplingConfig().override("stop=7").stop == ("7",)
    assert SamplingConfig().override('stop=["a", "b"]').stop == ("a", "b")
    assert CleanConfig().override("steps=script", "scripts=Greek").scripts == ("Greek",)
    assert Recipe().override("tokenizer.special=<|x|>").tokenizer.special == ("<|x|>",)  # type: ignore[attr-defined]
    assert [mixer.name for mixer in Recipe().override("model.mixers=sliding,full", "model.mixer=sliding").model.mixers] == [
        "sliding", "full",
    ]  # fmt: skip

    class Numbers(Config):
        sizes: tuple[int, ...] = ()

    assert Numbers().override("sizes=3").sizes == (3,)


@pytest.mark.parametrize(("words", "message"), [
    (("train", "village", *SMALL, "model.vocab_size=320"), "model.vocab_size would have no effect"),
    (("plan", "mini", "model.vocab_size=320"), "model.vocab_size would have no effect"),
    (("train", "village", *SMALL, "model.absent=[[3,4]]"), "model.absent would have no effect"),
    (("compare", "village", *SMALL, "--against", "model.vocab_size=320"), "model.vocab_size would have no effect"),
    (("compare", "village", *SMALL, "model.vocab_size=320", "--against", "model.norm=layernorm"), "no effect"),
])  # fmt: skip
def test_fault_17_a_setting_without_effect_is_said_to_have_none(glass, tmp_path, words, message):
    code, _, err = glass(*words)
    assert code == 2 and message in err and not (tmp_path / "runs").exists()


def test_fault_17_a_ready_dataset_keeps_its_tokenizer_and_says_so(glass, tmp_path):
    (tmp_path / "book.txt").write_text(TEXT)
    assert glass("prepare", "book.txt", "tokenizer=byte")[0] == 0
    made = next((tmp_path / "data").glob("book-*"))
    assert glass("data", "export", made, "out")[0] == 0
    assert glass("data", "import", "out", "data/again")[0] == 0
    tiny = [setting for setting in SMALL if setting.startswith(("model", "train", "sample"))]
    for idle in ("tokenizer=bpe", "tokenizer.vocab_size=300", "data.clean.steps=newlines", "corpus.text_field=story"):
        code, _, err = glass("train", "data/again", *tiny, idle)
        assert code == 2 and f"{idle} would have no effect: data/again is a prepared dataset" in err
    assert glass("train", "data/again", *tiny, "--name", "run")[0] == 0
    recorded = json.loads((tmp_path / "runs/run/recipe.json").read_text())
    assert recorded["tokenizer"]["name"] == "byte" and recorded["model"]["vocab_size"] == 257
