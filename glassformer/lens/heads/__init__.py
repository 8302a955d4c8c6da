"""What heads do, by measurement: where each head reads, beside where it would read by chance.

    score = mean over events of the weight from the place t that asks onto the places that answer

An event is a place t and the places s <= t that are right there. What is right depends on the question:

    previous token   s = t - 1
    first token      s = 0
    duplicate token  every earlier s with the same token
    induction        the tokens that followed it, where a row of random tokens is read twice (Olsson et al., 2022)
    referent         in village stories, from "she" or "it" to the words that it stands for, which the simulator knows
    pronoun choice   the same from the token before it, where it is decided whether "he" or "she" is said
    name             in village stories, from the token before a name to where that name was said

Two questions have rivals too: the names of other people than the one meant. A head that reads every name alike scores well
and picks nobody; `Head.picked` tells them apart.

The chance is the score of a head that reads all tokens up to t alike. A head passes if it is clearly above that: at least
`LEAD` above, and at least `TIMES` as high. A model with random weights has no such head.
"""

from glassformer.lens.heads.measure import Head, Scores, cost, measure, measure_all, survey
from glassformer.lens.heads.questions import (
    STORIES,
    Event,
    Reading,
    duplicate_token,
    every_question,
    first_token,
    induction,
    names,
    previous_token,
    pronoun_choice,
    referents,
    repeated,
)

__all__ = [
    "STORIES", "Event", "Head", "Reading", "Scores", "cost", "duplicate_token", "every_question", "first_token",
    "induction", "measure", "measure_all", "names", "previous_token", "pronoun_choice", "referents", "repeated", "survey",
]  # fmt: skip
