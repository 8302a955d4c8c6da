"""The village: stories are pure functions of their number, true by the checker, never repeated, split by combination."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassformer.corpora import corpus
from glassformer.corpora.village import Village, check
from glassformer.corpora.village.contradictions import KINDS, plant_at, split
from glassformer.corpora.village.copies import Copies
from glassformer.corpora.village.plots import GRAMMAR, PLOTS
from glassformer.corpora.village.story import belongs, tell

FEW = [tell(0, "train", i) for i in range(600)]


def wrong(stories):
    """What the checker finds in stories that should be true."""
    for story in stories:
        for verdict in check(story.text).sentences:
            if not verdict.understood or verdict.contradictions:
                yield story.plots, verdict


def test_stories_are_true():
    assert not next(wrong(FEW), None)
    assert not next(wrong(tell(3, "validation", i) for i in range(1400)), None)


@pytest.mark.slow
def test_twenty_thousand_stories_are_true():
    assert not next(wrong(tell(1, "train", i) for i in range(20_000)), None)


def test_the_checker_reads_what_the_teller_told():
    """Not only nothing contradicted: the same events, with the same people, in the same sentences."""
    from glassformer.corpora.village.checker import Reader
    from glassformer.corpora.village.reading import read

    for story in FEW[:200]:
        reader = Reader()
        for sentence in read(story.text, GRAMMAR):
            reader.verdict(sentence)
        told = [(e.kind, e.arguments) for e in story.events]
        tags = ("^", "%")
        heard = [(kind, env) for kind, env in reader.events if kind[0] not in tags]
        assert len(told) == len(heard)
        for (kind, said), (other, understood) in zip(told, heard, strict=True):
            assert GRAMMAR.kinds[kind].facts == GRAMMAR.kinds[other].facts
            for name in GRAMMAR.kinds[kind].needed & GRAMMAR.kinds[other].needed:
                a, b = said[name], understood[name]
                assert a == b or set(a) == set(b), (kind, name, a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_contradictions_are_caught(kind):
    planted = [p for i, story in enumerate(FEW[:300]) if (p := plant_at(story, kind, Random(i)))]
    assert len(planted) >= 10
    caught = 0
    for p in planted:
        report = check(p.text)
        spot = [v for v in report.sentences if v.contradictions and p.sentence.endswith(v.sentence)]
        caught += bool(spot) if p.sentence else not report.wholly_right
    assert caught >= 0.95 * len(planted)


def test_a_story_is_a_pure_function():
    assert tell(5, "train", 17) == tell(5, "train", 17)
    assert len({tell(seed, name, 0).text for seed in range(20) for name in ("train", "validation")}) == 40


def test_validation_combinations_are_never_trained_on():
    seen = {name: set() for name in ("train", "validation")}
    for name in seen:
        for i in range(1500):
            story = tell(0, name, i)
            for plot in story.plots:
                assert belongs(story.hero, story.setting, plot) == name
                seen[name].add((story.hero, story.setting, plot))
            assert story.hero in story.text and story.setting in story.text
    assert not seen["train"] & seen["validation"]
    assert {plot for *_, plot in seen["train"]} == {plot for *_, plot in seen["validation"]} == set(PLOTS)


def test_stories_differ():
    texts = [story.text for story in FEW] + [tell(0, "train", i).text for i in range(600, 4000)]
    assert len(set(texts)) == len(texts)
    assert len(PLOTS) >= 20
    assert len(set(re.findall(r"[A-Za-z'-]+", " ".join(texts).lower()))) >= 1500


@pytest.mark.slow
def test_fifty_megabytes_without_a_repeated_story():
    size, i, seen = 0, 0, set()
    while size < 50e6:
        text = tell(0, "train", i).text
        seen.add(hash(text))
        size, i = size + len(text), i + 1
    assert len(seen) == i


def test_stories_have_the_promised_length():
    words = sorted(len(story.text.split()) for story in FEW)
    assert words[len(words) // 50] >= 50 and words[-len(words) // 50] <= 330


def test_stories_are_clean_english():
    for story in FEW:
        assert not re.search(r"  |[{}<>\[\]|]| [.,!?]|\.\.|,,|\b(a) [aeio]|\ban [bcdfgjklmnpqrstvwxyz]", story.text)
        assert all(paragraph[0].isupper() or paragraph[0] == '"' for paragraph in story.text.split("\n\n"))
        assert story.text.count('"') % 2 == 0


def test_documents_are_the_same_for_any_number_of_workers(monkeypatch):
    monkeypatch.setattr("glassformer.system.workers.TRIAL", 0.0)
    monkeypatch.setattr("glassformer.system.workers.TRIP", 0.0)
    village = Village(megabytes=1, validation_fraction=0.01)
    one = list(village.override("workers=1").documents())
    assert one == list(village.override("workers=2").documents())
    assert Counter(d.split for d in one).keys() == {"train", "validation"}
    assert 1e6 <= sum(len(d.text) for d in one if d.split == "train") <= 1.003e6
    assert one[0].text == village.story("train", 0).text


def test_the_fingerprint_follows_what_is_told():
    a, b = Village(), Village(seed=1)
    assert a.fingerprint() == Village(workers=3).fingerprint() != b.fingerprint()
    assert isinstance(corpus("village"), Village)


FALSE = {
    "Mira was a boy who loved jokes.": "does not fit",
    "There once lived a girl named Mira who loved jokes. She went to the mill.": None,
    "Once there was a boy called Tom. He went to the mill. He went to the mill.": "already",
    "Once there was a boy called Tom. She went to the mill.": "nobody is meant",
    "Once there was a boy called Tom. Mira hugged him.": "nobody has said who Mira is",
    "Once there was a boy called Tom. He picked up the kite.": "nobody has spoken of the kite",
    "Once there was a boy called Tom. He had a red kite. He held the striped kite tightly.": "red",
    "Once there was a boy called Tom. He fell asleep. He went to the mill.": "asleep",
    "Once there was a boy called Tom. They went to the mill.": "nobody is meant by 'they'",
}


@pytest.mark.parametrize("text", FALSE)
def test_the_checker_says_what_is_wrong(text):
    report = check(text)
    assert report.understood == 1
    faults = " ".join(fault for v in report.sentences for fault in v.contradictions)
    assert (FALSE[text] or "") in faults
    assert FALSE[text] is not None or not faults


def test_half_english_is_not_understood():
    text = FEW[0].text
    words = text.split(" ")
    Random(0).shuffle(words)
    assert check(" ".join(words)).understood < 0.1
    assert check("the cat sat. On mat!").understood == 0
    assert check(text.lower()).understood < 0.2
    assert check("").sentences == [] and not check("").wholly_right


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=300))
@example('"')
@example('""\n""')
@example('"Hello there!"')
@example("She and the and him.")
def test_the_checker_survives_any_text(text):
    check(text)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 200), min_size=2, max_size=12))
def test_the_checker_survives_any_mixture_of_sentences(i, order):
    sentences = [s for k in range(3) for s in split(FEW[(i + k) % len(FEW)].text)]
    check("".join(sentences[k % len(sentences)] for k in order))


def test_the_checker_survives_stories_whose_names_are_not_kept():
    """What a model in training writes: true sentences of many stories, with the names and pronouns mixed up."""
    rng = Random(0)
    sentences = [s for story in FEW for s in split(story.text)]
    names = sorted({w for s in sentences for w in re.findall(r"\b[A-Z][a-z]+\b", s)})
    pronouns = ["she", "he", "they", "her", "his", "him", "them", "She", "He", "They"]

    def other(word: re.Match[str]) -> str:
        pool = pronouns if word[0] in pronouns else few if word[0] in names else [word[0]]
        return rng.choice(pool) if rng.random() < 0.5 else word[0]

    for _ in range(1500):
        few = rng.sample(names, 4)
        told = "".join(rng.choice(sentences) for _ in range(rng.randint(3, 25)))
        check(re.sub(r"\w+", other, told))


@pytest.mark.parametrize(
    "unit", ['"', "She and ", "Tom and Mira and ", "the red ", '"Yes. ', "Then, ", "a ", "\n", "Mira's "]
)
def test_reading_takes_linear_time(unit):
    import time

    def once(n):
        start = time.process_time()
        check(unit * n)
        return time.process_time() - start

    def seconds(n):
        return min(once(n) for _ in range(3))  # a collection of garbage may fall into one of them

    assert seconds(4000) < 40 * max(seconds(400), 0.002)


def test_copies_are_recognised_and_new_stories_are_not_taken_for_copies():
    known = Copies((story.text for story in FEW), megabytes=1)
    assert all(known.copied(story.text) for story in FEW)
    assert sum(known.copied(tell(0, "validation", i).text) for i in range(100)) <= 1
    assert not known.copied("")


def test_the_document_shows_what_is_so():
    text = (Path(__file__).parents[2] / "docs" / "village.md").read_text()
    table = text.partition("| text | what `check` says |\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert rows
    rows = [(row[0].rstrip(" |"), row[1] if len(row) > 1 else "") for row in rows]
    verdicts = check(" ".join(sentence for sentence, _ in rows)).sentences
    assert [(v.sentence, "; ".join(v.contradictions)) for v in verdicts] == rows
    quoted = "\n".join(line.lstrip("> ") for line in text.splitlines() if line.startswith(">"))
    assert quoted == tell(0, "validation", 86).text
