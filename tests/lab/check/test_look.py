import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from glassformer.data.shards import shard_file
from glassformer.lab.check import CheckConfig
from glassformer.lab.check.terminal import check

from ...page import Page
from .planted import noise, plant

rng = np.random.default_rng(0)


@pytest.fixture
def glass(glass):
    """The same, with one space for every gap in what it prints."""

    def call(*words):
        code, out, err = glass(*words)
        return code, " ".join(out.split()), " ".join(err.split())

    return call


def test_exit_codes(glass, tmp_path):
    plant(tmp_path / "clean", noise(rng, *[300] * 5), noise(rng, *[300] * 3))
    code, out, _ = glass("data", "check", "clean")
    assert code == 0 and "nothing wrong: integrity, leaks, repeats" in out and (tmp_path / "clean.check.html").exists()
    text, *others = noise(rng, *[300] * 6)
    plant(tmp_path / "leaking", [text, *others], [text, *noise(rng, 300)])
    code, out, _ = glass("data", "check", "leaking", "-o", "pages/page.html")
    assert code == 1 and "1 of 2 validation documents are in train as well" in out
    assert (tmp_path / "pages/page.html").exists() and not (tmp_path / "leaking.check.html").exists()
    shard_file(tmp_path / "clean", "train", 0).unlink()
    code, out, _ = glass("data", "check", "clean")
    assert code == 1 and "train-00000.bin is missing" in out and "the dataset must be repaired first" in out


def test_what_was_not_looked_at_is_not_called_clean(glass, tmp_path):
    plant(tmp_path / "set", ["a short text", "another"], ["tiny"])
    code, out, _ = glass("data", "check", "set")
    assert code == 0 and "nothing wrong: integrity, repeats (" in out
    assert "leaks: 0 of 4 validation tokens were compared" in out and "odd documents: there are too few" in out


@pytest.mark.parametrize("words", [["nowhere"], ["empty"], ["set", "n=0"], ["set", "shrae=1"], ["damaged"]])
def test_bad_input_is_one_sentence(glass, tmp_path, words):
    (tmp_path / "empty").mkdir()
    plant(tmp_path / "set", noise(rng, 100), noise(rng, 50))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/index.json").write_text("{}")
    code, out, err = glass("data", "check", *words)
    assert code == 2 and err.startswith("glass:") and "Traceback" not in err + out


def page_of(folder, **config) -> tuple[str, Page]:
    console = Console(file=io.StringIO(), width=100)
    check(console, folder, CheckConfig(**config))
    html = folder.with_name(f"{folder.name}.check.html").read_text()
    return html, Page(html)


def test_the_page_is_whole_and_needs_no_other_file(tmp_path):
    words = [" ".join(rng.choice("a kite fell on the roof in June".split(), 80)) for _ in range(60)]
    plant(tmp_path / "set", [*words[:50], words[3]], [*words[50:], words[7]])
    html, page = page_of(tmp_path / "set")
    assert page.links == ["data:,"] and not re.search(r"https?:|url\(|@import|fetch\(", html)
    assert html.count("<figure") == 6 and page.tags.count("script") == 7
    for told in ("1 of 11 validation documents", "repeat an earlier one exactly", "Length of documents", "Never used"):
        assert told in page.text, told
    assert page_of(tmp_path / "set")[0] == html
    assert not any("nan" in path.lower() or "inf" in path.lower() for path in re.findall(r' d="([^"]*)"', html))


@settings(max_examples=15)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(0, 2))
def test_no_text_escapes_into_the_page(tmp_path_factory, text, copies):
    hostile = f"</script><script>alert(1)</script><img src=x>\u202e\0{text}"
    folder = tmp_path_factory.mktemp("check") / "set"
    plant(folder, [hostile] * (copies + 1), [hostile, text])
    html, page = page_of(folder)
    assert "img" not in page.tags and page.tags.count("script") == html.count("<figure") + 1
    assert "\0" not in html and "\u202e" not in html and "alert(1)" in page.text


@pytest.mark.parametrize(("train", "validation"), [([[]], [[]]), ([[1]], [[2]]), ([[1, 2, 3]], [[], [5]])])
def test_the_smallest_datasets_are_checked(tmp_path, train, validation):
    plant(tmp_path / "set", train, validation)
    _, page = page_of(tmp_path / "set")
    assert "What was found" in page.text


def test_ids_go_to_nanogpt_and_come_back_and_are_trained_on(glass, tmp_path):
    plant(tmp_path / "set", noise(rng, *[300] * 20), noise(rng, *[300] * 4))
    assert glass("data", "export", "set", "bin")[0] == 0
    code, out, _ = glass("data", "import", "bin")
    assert code == 0 and out.startswith("data/bin: 20 documents, 6,020 tokens")
    for name in ("train", "validation"):
        assert shard_file(tmp_path / "data/bin", name, 0).read_bytes()[:600] == (
            shard_file(tmp_path / "set", name, 0).read_bytes()[:600]
        )
    assert glass("data", "check", "data/bin")[0] == 0
    words = "model.n_layer=1 model.n_embd=32 model.n_head=2 model.context_length=32 train.steps=2 train.micro_batch_size=2"
    words += " train.precision=fp32 train.eval_tokens=256 train.eval_every=1 sample.max_new_tokens=4"
    code, out, err = glass("train", "data/bin", *words.split(), "--name", "tiny")
    assert code == 0, err
    code, out, _ = glass("data", "check", "runs/tiny")
    assert code == 0 and out.startswith("data/bin")


def test_a_quality_filter_is_trained(glass, tmp_path):
    for kind, text in (("good", "A story number {} of a kite and Nora."), ("bad", "buy {} pills now http://x.com")):
        (tmp_path / kind).mkdir()
        for i in range(20):
            (tmp_path / kind / f"{i}.txt").write_text(text.format(i))
    code, out, _ = glass("data", "quality", "good", "bad", "--save", "filter.safetensors")
    assert code == 0 and "learned from 20 good and 20 bad texts" in out and (tmp_path / "filter.safetensors").exists()
    assert glass("data", "quality", "good", "nowhere", "--save", "x")[0] == 2
