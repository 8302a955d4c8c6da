from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.lab.check import CheckConfig, hashes, repeats
from glassformer.lab.check.hashes import document_hashes

from .planted import noise, plant


def look(data, **config):
    return repeats.look(data, data.train, document_hashes(data.train), CheckConfig(**config))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_equal_documents_are_grouped(tmp_path_factory, numbers):
    texts = [bytes([65 + number]) * (number + 1) for number in numbers]
    data = plant(tmp_path_factory.mktemp("set"), [list(text) for text in texts], [[1, 2]])
    expected = {tuple(i for i, other in enumerate(numbers) if other == number) for number in numbers}
    for found in (document_hashes(data.train), np.zeros(len(texts), np.uint64)):  # true hashes, and one for all
        groups = repeats.equal_documents(data.train, found)
        if found.any():
            assert {tuple(group.tolist()) for group in groups} == {group for group in expected if len(group) > 1}
        assert all(len({numbers[i] for i in group}) == 1 for group in groups)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(8, 12), st.integers(2, 4))
def test_spans_occur_as_often_as_counting_says(tmp_path_factory, seed, n, times):
    rng = np.random.default_rng(seed)
    texts = [np.tile(rng.integers(0, 3, int(rng.integers(3, 20))), int(rng.integers(1, 4))) for _ in range(12)]
    data = plant(tmp_path_factory.mktemp("set"), texts, [[1, 2]])
    last, counts = {}, Counter()
    for i in range(len(data.train) - n + 1):
        gram = tuple(data.train.tokens[i : i + n].tolist())
        if 256 not in gram[1:]:  # within one document
            counts[gram] += i - last.get(gram, -n) >= n  # overlapping ones count once
            last[gram] = i
    found, kept = repeats.spans(data, data.train, CheckConfig(span=n, times=times))
    assert kept == 1
    many = {gram for gram, count in counts.items() if count >= times}
    covered = set()
    for span in found:
        ids = data.train.tokens[span.start : span.stop].tolist()
        grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
        assert set(grams) <= many and span.times == max(counts[gram] for gram in grams)
        covered |= set(grams)
    if len(found) < 4 * repeats.MOST_PLACES:
        assert covered == many


def test_spans_of_equal_hashes_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "values", lambda vocab_size: np.ones(vocab_size, np.uint64))  # all n-grams collide
    rng = np.random.default_rng(8)
    (passage,) = noise(rng, 8)
    texts = [passage, *noise(rng, *[200] * 5), passage, passage]
    data = plant(tmp_path / "set", texts, [[1]])
    found, _ = repeats.spans(data, data.train, CheckConfig(span=8, times=3))
    assert [(span.start, span.times, span.documents) for span in found] == [(0, 3, 3)]


def test_in_a_large_split_a_sample_finds_what_is_long(tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "MOST_SPANS", 2000)
    monkeypatch.setattr(hashes, "BLOCK", 1000)
    rng = np.random.default_rng(5)
    (passage,) = noise(rng, 400)
    texts = [np.concatenate([text, passage]) if i % 3 == 0 else text for i, text in enumerate(noise(rng, *[300] * 60))]
    data = plant(tmp_path / "set", texts, [[1, 2]])
    found = look(data)
    assert found.kept == 14 and {(span.times, span.documents) for span in found.spans} == {(20, 20)}
    finding = repeats.findings(data, data.train, found, CheckConfig())[0]
    assert finding.severity == "warning" and "20 times in 20 documents" in finding.places[0].where


def test_near_documents_are_found_and_told(tmp_path):
    rng = np.random.default_rng(6)
    words = [f"word{i}" for i in range(500)]
    texts = [" ".join(rng.choice(words, 120)) for _ in range(40)]
    texts += [texts[3].replace(texts[3].split()[60], "changed", 1), texts[7], texts[7]]
    data = plant(tmp_path / "set", texts, ["something"])
    found = look(data)
    assert found.near == [(40, 3)] and [group.tolist() for group in found.groups] == [[7, 41, 42]]
    assert found.compared == 41
    equal, near = repeats.findings(data, data.train, found, CheckConfig())
    assert "2 of 43 documents of train repeat an earlier one exactly" in equal.what and equal.severity == "warning"
    assert near.places[0].where == "train document 40 nearly repeats document 3"


def test_what_does_not_repeat_is_not_reported(tmp_path):
    rng = np.random.default_rng(7)
    data = plant(tmp_path / "set", noise(rng, *rng.integers(0, 300, 60)), [[1, 2]])
    found = look(data)
    assert not found.groups[1:] and not found.near and not found.spans  # only empty documents are alike
