"""Plants one contradiction in a true story, to find out whether the checker can see it.

The planter knows what the simulator did (the story's events) and never asks the checker. It replays the events up to a
sentence, finds something that is certainly false there, and either inserts a false sentence in the grammar's own words
(`insertions`) or changes a word of the story (`rewrites`).

>>> plant(tell(0, "train", 7), "wrong holder", Random(1))  # the same story, but somebody gives what another holds
"""

from random import Random
from typing import NamedTuple

from ..story import Story
from .insertions import INSERTIONS
from .rewrites import REWRITES
from .scene import Scene, split

KINDS = (*INSERTIONS, *REWRITES)


class Planted(NamedTuple):
    """A story that is false in one place."""

    text: str
    sentence: str
    """The false sentence where one was put in, "" where a word was changed."""


def plant(story: Story, kind: str, rng: Random) -> str | None:
    """The story's text with one contradiction of `kind` in it, or None if the story gives no occasion for it."""
    planted = plant_at(story, kind, rng)
    return None if planted is None else planted.text


def plant_at(story: Story, kind: str, rng: Random) -> Planted | None:
    """As `plant`, and the false sentence."""
    if kind in REWRITES:
        text = REWRITES[kind](story.text, story, rng)
        return None if text is None else Planted(text, "")
    sentences = split(story.text)
    cuts = list(range(1, len(sentences) + 1))
    rng.shuffle(cuts)
    for cut in cuts[:6]:
        if cut < len(sentences) and sentences[cut].startswith('"'):
            continue  # a sentence before it would change who speaks
        false = INSERTIONS[kind](Scene(story, cut), rng)
        if false is not None:
            head, rest = "".join(sentences[:cut]), "".join(sentences[cut:])
            kept = head.rstrip()
            return Planted(f"{kept} {false}{head[len(kept) :]}{rest}", false)
    return None
