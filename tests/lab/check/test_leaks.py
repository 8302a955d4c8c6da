import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.lab.check import CheckConfig, hashes, leaks
from glassformer.lab.check.hashes import document_hashes, ngram_hashes, values

from .planted import noise, plant


def look(data, **config):
    config = CheckConfig(**config)
    return leaks.look(data, document_hashes(data.train), document_hashes(data.validation), config, lambda doing: None)


def windows(ids, n) -> list[tuple]:
    return [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]


@pytest.fixture
def small(monkeypatch):
    """Blocks and passes so small that everything planted crosses their borders."""
    monkeypatch.setattr(hashes, "BLOCK", 64)
    monkeypatch.setattr(leaks, "GRAMS", 150)
    monkeypatch.setattr(leaks, "SECTION", 100)


@given(st.lists(st.integers(0, 2), max_size=80), st.integers(1, 20))
def test_ngrams_have_equal_hashes_where_they_are_equal(ids, n):
    found = ngram_hashes(np.array(ids, np.uint16), n, values(3)).tolist()
    grams = windows(ids, n)
    assert len(found) == len(grams) and len(set(found)) == len(set(grams)) == len(set(zip(found, grams)))


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([5, 8, 13]), st.sampled_from([0.3, 0.5, 0.9]), st.data())
def test_planted_leaks_are_all_found_and_nothing_else(tmp_path_factory, seed, n, share, data):
    rng = np.random.default_rng(seed)
    train = noise(rng, *rng.integers(1, 300, 12).tolist(), 400, 0)
    validation, planted, copies = [], {}, {}
    for number in range(data.draw(st.integers(1, 8))):
        source = int(rng.integers(0, len(train)))
        kind = data.draw(st.sampled_from(["clean", "exact", "partial", "too little"]))
        text = train[source]
        if kind in ("clean", "exact") or len(text) < 200:
            validation.append(text if kind == "exact" else noise(rng, int(rng.integers(1, 300)))[0])
            if kind == "exact" and len(text):
                copies[number] = source
            continue
        # a copy of `length` tokens has length - n + 1 n-grams; around it, noise makes up the rest
        length = int(rng.integers(100, 200))
        start, grams = int(rng.integers(0, len(text) - length + 1)), length - n + 1
        total = int(grams / share) - 2 if kind == "partial" else int(grams / share) + 3
        before = int(rng.integers(0, max(1, total - grams)))
        head, tail = noise(rng, before, max(0, total - grams - before))
        validation.append(np.concatenate([head, text[start : start + length], tail]))
        if kind == "partial":
            planted[number] = source
    dataset = plant(tmp_path_factory.mktemp("set"), train, validation)
    found = look(dataset, n=n, share=share, spread=1)
    assert {leak.document: leak.source for leak in found.exact} == copies
    assert {leak.document: leak.source for leak in found.partial} == planted
    assert all(leak.share >= share for leak in found.partial)


def test_leaks_across_the_borders_of_blocks_passes_and_sections(tmp_path, small):
    rng = np.random.default_rng(3)
    train = noise(rng, 130, 1000, 40, 700)
    validation = [*noise(rng, 90, 333), train[1][450:850], *noise(rng, 50), train[3][:99]]
    found = look(plant(tmp_path / "set", train, validation), spread=1)
    assert {leak.document for leak in found.partial} == {2, 4} and not found.exact
    assert sum(leak.stop - leak.start for leak in found.partial if leak.document == 2) == 400  # all of its sections
    long = [*noise(rng, 1000), np.concatenate([*noise(rng, 500), train[1][200:400], *noise(rng, 300)])]
    copied = look(plant(tmp_path / "long", train, long), share=0.9, spread=1).partial
    first = 1002  # in the split: two separators and a document come before
    assert [(leak.document, leak.start - first, leak.stop - first) for leak in copied] == [(1, 500, 600), (1, 600, 700)]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 5))
def test_what_streams_past_is_counted_by_document(tmp_path_factory, seed, n):
    rng = np.random.default_rng(seed)
    texts = [rng.integers(0, 2, int(length)) for length in rng.integers(1, 40, 12)]
    train = plant(tmp_path_factory.mktemp("set"), texts, [[1]]).train
    grams = sorted({gram for text in texts[::3] for gram in windows(text.tolist(), n)} | {(1,) * n})
    known = leaks.Known(np.concatenate([ngram_hashes(np.array(gram), n, values(257)) for gram in grams]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "BLOCK", 16)
        for start, ids in hashes.blocks(train, overlap=n - 1):
            places, numbers = known.find(ngram_hashes(ids, n, values(257)))
            known.see(train, start + places, numbers)
    everything = windows(train.tokens[:].tolist(), n)
    for gram in grams:
        number = np.searchsorted(known.hashes, ngram_hashes(np.array(gram), n, values(257)))[0]
        places = [i for i, other in enumerate(everything) if other == gram] or [-1]
        assert (known.first[number], known.last[number]) == (places[0], places[-1])
        assert known.documents[number] == sum(gram in windows(text.tolist(), n) for text in texts)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_shares_are_those_of_sets_of_tuples(tmp_path_factory, seed, n):
    rng = np.random.default_rng(seed)
    documents = [rng.integers(0, 3, int(length)) for length in rng.integers(1, 60, 14)]
    train, validation = documents[:9], documents[9:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "BLOCK", 16)
        patch.setattr(leaks, "GRAMS", 40)
        found = look(plant(tmp_path_factory.mktemp("set"), train, validation), n=n, share=1, spread=1, common=10**6)
    held = [{*windows(text.tolist(), n)} for text in train]
    expected, leaking = [], set()
    for number, text in enumerate(validation):
        if number in {leak.document for leak in found.exact} or not (grams := windows(text.tolist(), n)):
            continue
        expected.append(np.mean([gram in set().union(*held) for gram in grams]))
        if expected[-1] == 1:
            leaking.add(number)
    np.testing.assert_allclose(found.shares[: len(expected)], expected)
    assert {leak.document for leak in found.partial} == leaking
    assert {leak.document for leak in found.exact} == {
        i for i, text in enumerate(validation) if any(np.array_equal(text, other) for other in train)
    }


def test_a_text_put_together_from_many_leaks_unless_its_pieces_are_phrases(tmp_path):
    rng = np.random.default_rng(0)
    train = noise(rng, *[100] * 30)
    together = np.concatenate([text[20:70] for text in train[:8]])
    phrases = noise(rng, *[60] * 8)
    common = [np.concatenate([text, phrases[i % 8]]) for i in range(96) for text in noise(rng, 30)]
    of_phrases = np.concatenate(phrases)
    found = look(plant(tmp_path / "set", [*train, *common], [together, of_phrases, *noise(rng, 400)]), spread=0.7)
    assert [leak.document for leak in found.partial] == [0]
    assert found.partial[0].share < 0.5 and found.partial[0].scattered > 0.7
    assert [round(share, 1) >= 0.7 for share in found.shares.tolist()] == [True, True, False]


def test_a_copy_of_what_train_has_many_times_is_still_a_copy(tmp_path):
    rng = np.random.default_rng(1)
    (text,) = noise(rng, 300)
    train = [np.concatenate([text, *noise(rng, 5)]) for _ in range(25)]
    (leak,) = look(plant(tmp_path / "set", [*noise(rng, 200), *train], [text])).partial
    assert leak.document == 0 and leak.share == 1 and leak.scattered == 0


def test_equal_hashes_alone_are_no_leak(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    ids, other = noise(rng, 60, 80)
    assert not leaks.in_common(ids, other, 5, np.ones(256, np.uint64)).any()
    data = plant(tmp_path / "set", noise(rng, 200, 300), noise(rng, 100, 150))
    monkeypatch.setattr(leaks, "values", lambda vocab_size: np.ones(vocab_size, np.uint64))  # all n-grams collide
    config = CheckConfig()
    found = leaks.look(data, np.zeros(2, np.uint64), np.zeros(2, np.uint64), config, lambda doing: None)
    assert found.exact == [] and found.partial == [] and leaks.findings(data, found, config) == []


def test_a_limit_on_validation_takes_sections_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(leaks, "SECTION", 50)
    rng = np.random.default_rng(4)
    data = plant(tmp_path / "set", noise(rng, 100), noise(rng, *[100] * 100))
    starts, stops, documents = leaks.sections(data.validation, set(), CheckConfig(validation_tokens=1000))
    assert (stops - starts).sum() == 1000 and (np.diff(documents) == 5).all()
    assert look(data, validation_tokens=1000).compared == 1000


def test_findings_say_where_and_what(tmp_path):
    text = "Nora lost her red kite on the roof, and nobody in the whole village had seen it since Monday."
    others = [f"{i}. A quite different story about number {i * i}, which nobody has ever heard of." for i in range(40)]
    data = plant(tmp_path / "set", [*others[:30], text, "x" + text[:80] + "y" * 40], [*others[30:], text, text[:75] + "zz"])
    config = CheckConfig()
    found = leaks.findings(data, look(data), config)
    assert [each.severity for each in found] == ["error", "error"]
    short = plant(tmp_path / "short", [*others, "Yes."], [others[0] + "!", "Yes."])
    assert [each.severity for each in leaks.findings(short, look(short, share=1), config)] == ["warning"]
    exact, partial = found
    assert "1 of 12 validation documents" in exact.what
    assert exact.places[0].where == "validation document 10: 100% is in train document 30"
    assert exact.places[0].excerpt == text
    assert partial.places[0].where.startswith("validation document 11: 9") and "Nora lost" in partial.places[0].excerpt
