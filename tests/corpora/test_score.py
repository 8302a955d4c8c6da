"""The score of stories cannot be pleased: who says less, repeats or copies scores near 0, and the village itself near 1."""

import re
from collections.abc import Callable
from functools import cache
from random import Random

import pytest

from glassformer.corpora.village import check
from glassformer.corpora.village.contradictions import INSERTIONS, plant_at
from glassformer.corpora.village.copies import Copies
from glassformer.corpora.village.score import USUAL, Judgement, Score, Written, judged, opened, score, usual
from glassformer.corpora.village.story import tell

FIRST = 2000
"""Stories that had no part in what is usual begin here."""
OPENED = opened(40, first=FIRST)
TRAINING = [tell(0, "train", i).text for i in range(200)]
KNOWN = Copies(TRAINING, megabytes=1)
SHARES = ("understood", "consistent", "complete", "right")


def continued(write: Callable[[Written, int], str], ended: bool = True) -> list[Written]:
    return [Written(told.opening, write(told, i), ended) for i, told in enumerate(OPENED)]


def scored(stories: list[Written]) -> Score:
    return score(judged(stories, KNOWN))


def shuffled(told: Written, i: int) -> str:
    words = told.continuation.split()
    Random(i).shuffle(words)
    return " " + " ".join(words)


def gibberish(told: Written, i: int) -> str:
    rng = Random(i)
    return "".join(rng.choice("abcdefghij klmnop qrstu. AB!\"\n") for _ in range(800))


def hero(told: Written) -> str:
    return max(check(told.opening).sentences[0].people | check(told.opening).sentences[1].people)


def walking(told: Written, i: int) -> str:
    """True sentences of one kind."""
    places = ("mill", "market", "well", "pond", "lake", "barn", "stable", "bakery", "waterfall", "marsh", "river")
    return "".join(f" {hero(told)} went to the {place}." for place in places)


def corrupted(told: Written, i: int, n: int = 3) -> str:
    """The real continuation with up to `n` certain contradictions in it: what a good model may write."""
    story, rng = tell(0, "validation", FIRST + i), Random(i)
    planted = [plant_at(story, kind, rng) for kind in INSERTIONS]
    false = [p.sentence for p in planted if p and told.opening in p.text and p.sentence not in told.opening][:n]
    return told.continuation + "".join(f" {sentence}" for sentence in false)


@cache
def a_good_models() -> Score:
    """The score that stands in for a trained model's."""
    return scored(continued(corrupted))


# who writes: (a function, whether the story comes to an end)
WRITERS: dict[str, tuple[Callable[[Written, int], str], bool]] = {
    "silent": (lambda told, i: "", True),
    "blank": (lambda told, i: "\n\n \n", True),
    "one sentence": (lambda told, i: " The sun shone like a gold coin.", True),
    "one sentence again and again": (lambda told, i: " The sun shone like a gold coin." * 12, True),
    "one sentence with the name": (lambda told, i: f" {hero(told)} went to the mill." * 12, True),
    "the opening again": (lambda told, i: f" {told.opening}" * 6, True),
    "the opening, without an end": (lambda told, i: f" {told.opening}" * 20, False),
    "one fixed story": (lambda told, i: "\n\n" + tell(0, "validation", 9999).text, True),
    "one fixed continuation": (lambda told, i: opened(1, first=9999)[0].continuation, True),
    "training stories": (lambda told, i: "\n\n" + TRAINING[i], True),
    "a training story's end": (lambda told, i: " " + TRAINING[i].split(". ", 2)[2], True),
    "shuffled words": (shuffled, True),
    "gibberish": (gibberish, True),
    "gibberish, without an end": (gibberish, False),
}


@pytest.mark.parametrize("who", WRITERS)
def test_fault_06_and_21_nothing_but_a_story_scores(who):
    write, ended = WRITERS[who]
    found, trained = scored(continued(write, ended)), a_good_models()
    assert found.complete == found.right == 0
    assert max(found.understood, found.consistent) <= 0.15
    assert all(getattr(found, share) < getattr(trained, share) - 0.5 for share in ("understood", "consistent", "complete"))


def test_fault_21_openings_with_nothing_written_score_nothing():
    """They scored 100 % on all measures."""
    found = scored(continued(WRITERS["silent"][0]))
    assert found[:8] == (0, 0, 0, 0, 0, 0, 0, 0) and found.claims == 0 and found.stories == len(OPENED)


def test_village_stories_are_right():
    """Stories that had no part in finding out what is usual."""
    found = score(judged(opened(150, first=FIRST), KNOWN))
    assert found.understood > 0.995 and found.consistent > 0.995 and found.complete >= 0.96 and found.right >= 0.96
    assert found.copied == 0 and 12 < found.sentences < 18 and 40 < found.claims < 60
    assert score(judged(opened(40, seed=7))).right >= 0.95


@pytest.mark.slow
def test_what_is_usual_is_what_the_village_tells():
    found = usual(opened(1000))
    assert found._replace(claims_a_sentence=round(found.claims_a_sentence, 2)) == USUAL


def test_contradictions_cost_what_they_are_worth():
    found = a_good_models()
    assert found.complete > 0.9 and found.right < 0.2 and 0.8 < found.consistent < 0.99 and found.understood > 0.98


def test_each_share_needs_what_it_says():
    """One thing is missing at a time."""
    whole = scored(OPENED)
    stopped = scored([told._replace(ended=False) for told in OPENED])
    assert stopped.complete == stopped.right == 0 and stopped.understood == whole.understood
    few = scored(continued(lambda told, i: " " + " ".join(v.sentence for v in Judgement(told).sentences[:4])))
    assert few.complete == 0 and few.understood <= 4 / USUAL.fewest and few.consistent < 0.9
    walks = scored(continued(walking))
    assert walks.complete == walks.right == 0  # they say one kind of thing
    others = scored(continued(lambda told, i: "\n\n" + tell(0, "validation", 500 + i).text))
    assert others.consistent < 0.2 and others.right == 0  # true, and about other people
    long = scored(continued(lambda told, i: "".join(f" {t}" for t in [told.continuation] + TRAINING[3 * i : 3 * i + 3])))
    assert long.complete < 0.2


def test_a_name_put_in_for_another_makes_no_new_sentence():
    told = OPENED[0]
    written = told._replace(continuation=f" {hero(told)} went to the mill. Papa went to the mill. Mama went to the mill.")
    assert Judgement(written).new == [True, False, False]


def test_copies_count_nowhere():
    """Neither from training nor from the writer's own stories, of which the first still counts."""
    found = judged([*opened(2, first=FIRST), *opened(2, first=FIRST)])
    assert [j.copied for j in found] == [False, False, True, True]
    assert [j.right for j in found] == [True, True, False, False]
    assert found[2].understood[0] == 0 and found[2].claims == 0 and found[2].lacks[0] == "it is a copy"
    training = judged([Written("", text, True) for text in TRAINING[:20]], KNOWN)
    assert all(j.copied and not j.right for j in training)


def test_standard_errors_are_those_of_repeated_scores():
    """The spread of the scores of 40 samples of 20 stories."""
    stories = judged(continued(lambda told, i: corrupted(told, i) if i % 2 else told.continuation[: 90 + 20 * i]))
    rng, found = Random(0), []
    for _ in range(200):
        found.append(score([rng.choice(stories) for _ in range(20)]))
    for share in ("understood", "consistent"):
        values = [getattr(one, share) for one in found]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        told = sum(getattr(one, f"{share}_error") for one in found) / len(found)
        assert 0.75 * spread < told < 1.3 * spread


def test_openings_are_how_validation_stories_begin():
    for i, told in enumerate(opened(20, seed=2)):
        text = tell(2, "validation", i).text
        assert told.opening + told.continuation == text and len(check(told.opening).sentences) == 2
        assert check(told.opening).wholly_right and re.search(r"\b[A-Z][a-z]+\b", told.opening)


def test_no_stories_score_nothing():
    assert score([]) == (0,) * len(Score._fields)


def test_a_verdict_knows_its_place():
    for told in OPENED[:10]:
        text = told.opening + told.continuation
        for verdict in check(text).sentences:
            assert text[verdict.start : verdict.end] == verdict.sentence


def test_fault_24_the_checker_says_where_somebody_is():
    text = "Once there was a boy called Tom. He went to the mill. He sat down by the well."
    assert check(text).sentences[-1].contradictions == ["Tom is at the mill, not by the well"]
