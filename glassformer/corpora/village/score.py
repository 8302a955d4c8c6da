"""How good are the stories that a model wrote? It continues the openings of village stories, and the checker reads on.

Only what the model wrote is scored, and no share rises when it says less. Each is a sum over all stories divided by
what is due, and what is due has a lower bound, taken from the continuations of real village stories (`USUAL`):

    understood   sentences that are understood and new        / max(sentences written, the fewest of a village story)
    consistent   claims that contradict nothing               / max(claims made and missed, the fewest of a village story)
    complete     stories that end by themselves, are as long as village stories and say as much     / all stories
    right        complete stories of which every sentence is understood and no claim is wrong       / all stories

A sentence is new if the story has no such sentence yet, names aside. Claims are those of new sentences about the people
whom the opening names; a sentence that is not understood, or not new, has missed the usual number of claims. A story
that is copied, from training or from the writer's other stories, has no new sentences at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .checker import Verdict, check
from .copies import Copies
from .lexicon import NAME
from .story import tell

OPENING = 2  # sentences that a writer is given
RARE = 0.005  # this share of village stories is below a lower bound, or above an upper one


class Written(NamedTuple):
    """A story: an opening, and what a writer made of it."""

    opening: str
    continuation: str
    ended: bool
    """Whether the writer ended the story; False if it was stopped at a limit."""


class Usual(NamedTuple):
    """What the continuations of village stories are like. One of 200 is beyond each bound."""

    fewest: int
    """The fewest sentences."""
    most: int
    """The most sentences."""
    claims: int
    """The fewest claims about the people of the opening."""
    kinds: int
    """The fewest different kinds of clauses."""
    claims_a_sentence: float
    """The mean number of claims about the people of the opening in a sentence."""


USUAL = Usual(fewest=8, most=29, claims=20, kinds=8, claims_a_sentence=3.23)
"""What `usual(opened(1000))` gives, which takes some seconds; a test compares the two. The seed hardly matters."""


class Judgement:
    """What is said of one story: its sentences one by one, what it lacks, and its parts of the shares."""

    def __init__(self, written: Written, copied: bool = False, usual: Usual = USUAL) -> None:
        self.written, self.copied, self.usual = written, copied, usual
        report, start = check(written.opening + written.continuation), len(written.opening)
        self.sentences = [verdict for verdict in report.sentences if verdict.end > start]
        """The sentences that the writer wrote, as the checker reads them after the opening."""
        given = [verdict for verdict in report.sentences if verdict.end <= start]
        self._people = frozenset[str]().union(*(verdict.people for verdict in given))
        self.new = list(self._news(given))
        """For each sentence whether it is understood and new."""

    def _news(self, given: list[Verdict]) -> Iterator[bool]:
        told = {_wording(verdict) for verdict in given}
        for verdict in self.sentences:
            yield verdict.understood and not self.copied and _wording(verdict) not in told
            told.add(_wording(verdict))

    @cached_property
    def telling(self) -> list[Verdict]:
        """The new sentences that speak of the people of the opening: their claims count."""
        return [verdict for verdict, new in zip(self.sentences, self.new) if new and verdict.people & self._people]

    @property
    def claims(self) -> int:
        """Claims about the people of the opening."""
        return sum(verdict.claims for verdict in self.telling)

    @property
    def kinds(self) -> int:
        """Different kinds of clauses that speak of them."""
        return len({kind for verdict in self.telling for kind in verdict.kinds})

    @property
    def understood(self) -> tuple[float, float]:
        """This story's part of the share: (sentences understood and new, sentences due)."""
        return sum(self.new), max(len(self.sentences), self.usual.fewest)

    @property
    def consistent(self) -> tuple[float, float]:
        """This story's part of the share: (claims that contradict nothing, claims due)."""
        missed = self.usual.claims_a_sentence * self.new.count(False)
        return self.claims - sum(v.wrong for v in self.telling), max(self.claims + missed, self.usual.claims)

    @cached_property
    def lacks(self) -> list[str]:
        """What the story lacks to be complete, in words; empty if it is complete."""
        usual, told = self.usual, sum(self.new)
        faults = {
            "it is a copy": self.copied,
            "it did not come to an end": not self.written.ended,
            f"it has {told} sentences that say something new; village stories have {usual.fewest} or more":
                told < usual.fewest,
            f"it has {len(self.sentences)} sentences; village stories have up to {usual.most}":
                len(self.sentences) > usual.most,
            f"it makes {self.claims} claims about the people of its opening; village stories make {usual.claims} or more":
                self.claims < usual.claims,
            f"it has {self.kinds} kinds of clauses; village stories have {usual.kinds} or more": self.kinds < usual.kinds,
        }  # fmt: skip
        return [fault for fault, there in faults.items() if there]

    @property
    def complete(self) -> bool:
        """Whether it ended by itself, is as long as village stories and says as much, and is no copy."""
        return not self.lacks

    @property
    def right(self) -> bool:
        """Whether it is complete, and every sentence is understood, new and without contradiction."""
        return self.complete and all(self.new) and not any(v.contradictions for v in self.sentences)


class Score(NamedTuple):
    """The score of some stories; shares from 0 to 1."""

    understood: float
    """The share of sentences that the grammar can read and that are new."""
    understood_error: float
    """Its standard error, over the stories."""
    consistent: float
    """The share of claims that contradict nothing said before."""
    consistent_error: float
    """Its standard error, over the stories."""
    complete: float
    """The share of stories that come to an end, are as long as village stories and say as much."""
    right: float
    """The share of stories that are complete and without a fault."""
    copied: float
    """The share of stories that are copied, from training or from each other. This is a warning and no score: a writer
    gains nothing by a low one, because a copied story has no part in the other shares."""
    sentences: float
    """How many sentences a writer wrote for a story, on average."""
    claims: float
    """How many claims about the people of the opening a story makes, on average."""
    stories: int
    """How many stories were scored."""


def judged(stories: Iterable[Written], known: Copies | None = None) -> list[Judgement]:
    """Read stories back, in order. `known` remembers the training stories; without it, none counts as copied from them."""
    own, found = Copies(megabytes=0.5), []
    for written in stories:
        text = written.continuation
        copied = own.copied(text) or (known is not None and known.copied(text))
        own.add(text)
        found.append(Judgement(written, copied))
    return found


def score(judgements: Sequence[Judgement]) -> Score:
    """The score of stories that were read back."""
    n = len(judgements)
    understood = _share([judgement.understood for judgement in judgements])
    consistent = _share([judgement.consistent for judgement in judgements])

    def mean(values: Iterable[float]) -> float:
        return sum(values) / max(1, n)

    return Score(
        *understood, *consistent,
        mean(j.complete for j in judgements), mean(j.right for j in judgements), mean(j.copied for j in judgements),
        mean(len(j.sentences) for j in judgements), mean(j.claims for j in judgements), n,
    )  # fmt: skip


def opened(n: int, seed: int = 0, first: int = 0) -> list[Written]:
    """Validation stories `first` to `first + n - 1`: their opening sentences, and how they really go on."""
    stories = []
    for i in range(first, first + n):
        text = tell(seed, "validation", i).text
        end = check(text).sentences[OPENING - 1].end
        stories.append(Written(text[:end], text[end:], True))
    return stories


def usual(stories: Sequence[Written]) -> Usual:
    """What is usual in these village stories."""
    told = [Judgement(written) for written in stories]
    sentences, claims = [len(j.sentences) for j in told], [j.claims for j in told]
    fewest, most = np.quantile(sentences, [RARE, 1 - RARE])
    return Usual(
        int(fewest), int(most), int(np.quantile(claims, RARE)), int(np.quantile([j.kinds for j in told], RARE)),
        sum(claims) / sum(sentences),
    )  # fmt: skip


def _wording(verdict: Verdict) -> str:
    """A sentence without its names."""
    return NAME.sub("_", verdict.sentence)


def _share(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of the first numbers over the sum of the second, and its standard error (linearised, as stories differ in
    length)."""
    n, due = len(parts), sum(b for _, b in parts)
    if not due:
        return 0.0, 0.0
    share = sum(a for a, _ in parts) / due
    spread = sum((a - share * b) ** 2 for a, b in parts)
    return share, (spread * n / max(1, n - 1)) ** 0.5 / due
