import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.ngram import NGram
from glassformer.lab.check import CheckConfig, oddities, statistics
from glassformer.lab.check.oddities import FLOORS, measure, robust_z

from .planted import BYTE, plant

WORDS = "the a red kite fell on Nora's roof and she laughed because it rained all day in June over green hills".split()


def stories(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, int(rng.integers(60, 200)))) for _ in range(n)]


RNG = np.random.default_rng(1)
PLANTED = {
    "a" * 900: "few different characters",
    base64.b64encode(RNG.bytes(600)).decode(): "unlike the rest",
    RNG.bytes(500).decode("latin-1"): "as even as noise",
    " ".join(stories(1, 5)[0].split()[:20]) * 12: "repeat themselves",
    "Привет, " + "".join(RNG.choice(list("абвгдежзийклмн опрстуфхцчшщ"), 400)): "unlike the rest",
}


@pytest.mark.parametrize("tokenizer", ["byte", "bpe"])
def test_planted_oddities_are_found_and_only_they(tmp_path, tokenizer):
    from glassformer.tokenizers import TokenizerRecipe

    texts = stories(200, 0)
    made = BYTE if tokenizer == "byte" else TokenizerRecipe.named("bpe", vocab_size=400).train(texts)
    places = [20 + 31 * i for i in range(len(PLANTED))]
    for place, text in zip(places, PLANTED):
        texts.insert(place, text)
    data = plant(tmp_path / "set", texts, stories(60, 9), made)
    found = oddities.findings(data, data.train, measure(data, data.train), CheckConfig())
    told = {(each.what.split("train ")[1], int(place.where.split(":")[0].split()[-1].replace(",", "")))
            for each in found for place in each.places}  # fmt: skip
    assert {place for _, place in told} == set(places)
    for place, what in zip(places, PLANTED.values()):
        assert any(what in kind and number == place for kind, number in told), (what, told)
    assert oddities.findings(data, data.validation, measure(data, data.validation), CheckConfig()) == []


def test_a_model_never_judges_what_it_counted(tmp_path):
    texts = stories(100, 2)
    texts[31] = base64.b64encode(np.random.default_rng(3).bytes(2000)).decode()
    data = plant(tmp_path / "set", texts, ["something"])
    measures = measure(data, data.train)
    number = measures.documents.tolist().index(31)
    even = np.concatenate([[BYTE.end_of_text, *BYTE.encode(text)] for text in texts[::2]])
    ids = [BYTE.end_of_text, *BYTE.encode(texts[31])]
    expected = NGram.fit(even, 2, BYTE.vocab_size).nats(np.array(ids))[1:].sum() / np.log(2) / len(texts[31])
    assert measures.surprise[number] == pytest.approx(expected)


def test_each_source_of_a_mixture_has_its_own_measure(tmp_path):
    rng = np.random.default_rng(11)
    numbers = [" ".join(map(str, rng.integers(0, 10**9, 60))) for _ in range(100)]
    texts = [text for pair in zip(stories(100, 12), numbers) for text in pair]
    texts[20], texts[41] = numbers[0][::-1], " ".join(stories(1, 13))  # each where the other belongs
    data = plant(tmp_path / "set", texts, ["something"], sources=[0, 1] * 100)
    found = oddities.findings(data, data.train, measure(data, data.train), CheckConfig())
    places = {place.where.split(":")[0] for each in found for place in each.places if "source 0" in each.what}
    assert places == {"train document 20"}
    assert not [place for each in found for place in each.places if place.where.startswith("train document 1:")]
    few = plant(tmp_path / "few", texts[:60], ["something"], sources=[0] * 55 + [1] * 5)
    assert list(measure(few, few.train).judged) == ["source 0"]


def test_empty_and_short_documents_are_found(tmp_path):
    data = plant(tmp_path / "set", [*stories(40, 4), "", "Yes.", "No, never"], ["something"])
    (found,) = oddities.findings(data, data.train, measure(data, data.train), CheckConfig())
    assert "3 of 43 documents of train are empty or have less than 10 bytes" in found.what
    assert [place.excerpt for place in found.places] == ["", "Yes.", "No, never"]


def test_the_entropy_is_that_of_the_bytes(tmp_path):
    from glassformer.tokenizers import TokenizerRecipe

    texts = [*stories(30, 14), "é東" * 60, "ab" * 200]
    bpe = TokenizerRecipe.named("bpe", vocab_size=300).train(texts)
    data = plant(tmp_path / "set", texts, ["something"], bpe)
    for number, found in zip(*measure(data, data.train)[:2]):
        counts = np.bincount(np.frombuffer(texts[number].encode(), np.uint8))
        p = counts[counts > 0] / counts.sum()
        assert found == pytest.approx(-(p * np.log2(p)).sum())


@given(st.lists(st.floats(-5, 5), min_size=20, max_size=60), st.floats(1e3, 1e6))
def test_outliers_do_not_hide_themselves(values, far):
    z, median = robust_z(np.array([*values, far]), 0.1)
    assert z[-1] > 8 and min(values) <= median <= max(values)
    assert (z[:-1] < z[-1]).all()


def test_where_all_are_alike_little_is_odd():
    z, _ = robust_z(np.array([4.0] * 50 + [4.01]), FLOORS["bytes"])
    assert abs(z).max() < 1


def test_statistics_are_those_of_all_ids(tmp_path):
    texts, held_out = stories(50, 6), [*stories(20, 7), "été 東 1"]
    data = plant(tmp_path / "set", [*texts, "été 東 1"], held_out)
    found = statistics.compute(data)
    everything = data.train.tokens[:]
    np.testing.assert_array_equal(found.counts, np.bincount(everything, minlength=257))
    assert found.lengths["train"].tolist() == [len(text.encode()) for text in [*texts, "été 東 1"]]
    assert set(found.unused()) == set(range(257)) - set(everything.tolist())
    validation = data.validation.tokens[:]
    for k, bpb in enumerate(found.yardsticks, start=1):
        alone = NGram.fit(everything, k, 257).bits_per_byte(validation, BYTE.token_bytes)
        assert bpb == pytest.approx(alone)
    assert sum(found.scripts.values()) == pytest.approx(1) and next(iter(found.scripts)) == "Latin"
    n_bytes = sum(len(text.encode()) for text in texts) + len("été 東 1".encode())
    assert found.scripts["Han"] == pytest.approx(3 / n_bytes, rel=0.01)
    assert "emoji and signs" not in found.scripts  # the < and | of separators are nobody's text
