"""Minimal pairs: what is changed, and who prefers what, against numbers computed by hand."""

import numpy as np
import torch
from torch import nn

from glassformer.corpora.village.story import tell
from glassformer.data.ngram import NGram
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab.pairs import CHANGES, Pairs, by_model, by_ngrams, held_out_pairs
from glassformer.tokenizers import TokenizerRecipe

STORIES = [tell(0, "validation", i) for i in range(80)]
WORDS = TokenizerRecipe.named("byte").train([story.text for story in STORIES])


class Liking(nn.Module):
    """A model that pays one nat for each of some tokens and nothing for others."""

    device = torch.device("cpu")

    def __init__(self, expensive: set[bytes]):
        super().__init__()
        self.expensive = torch.tensor([ord(byte) for byte in expensive])

    def forward(self, ids, targets, documents=None):
        return torch.isin(targets, self.expensive).float() * (targets != IGNORED)


def pair_of(words: tuple[str, str]) -> Pairs:
    texts = [np.array(WORDS.encode(text), np.int64) for text in words]
    return Pairs(texts, {"keeps_name": [(0, 1)], "keeps_look": []})


def test_the_true_text_is_preferred_when_it_costs_less_and_a_tie_counts_half():
    assert by_model(pair_of(("aab", "aac")), Liking({b"c"})) == {"keeps_name": 1.0}
    assert by_model(pair_of(("aab", "aac")), Liking({b"b"})) == {"keeps_name": 0.0}
    assert by_model(pair_of(("aab", "aac")), Liking({b"b", b"c"})) == {"keeps_name": 0.5}


def test_a_pair_differs_in_one_word():
    found = Pairs.of(STORIES, WORDS, 4000)
    assert set(found.pairs) == set(CHANGES)
    for measure, pairs in found.pairs.items():
        assert len(pairs) >= 3, measure
        for true, changed in pairs:
            before, after = (WORDS.decode(found.texts[i][1:-1].tolist()).split() for i in (true, changed))
            assert before in [story.text.split() for story in STORIES]
            assert len(before) == len(after) and sum(a != b for a, b in zip(before, after)) == 1


def test_texts_that_do_not_fit_into_the_context_are_left_out():
    found = Pairs.of(STORIES, WORDS, 700)
    assert 0 < len(found.texts) < len(Pairs.of(STORIES, WORDS, 4000).texts)
    assert all(len(text) <= 701 for text in found.texts)
    assert Pairs.of(STORIES, WORDS, 20).preferred([]) == {}


def test_no_more_pairs_than_asked_for_are_made():
    found = Pairs.of(STORIES, WORDS, 4000, n=2)
    assert [len(pairs) for pairs in found.pairs.values()] == [2, 2, 2]


def test_a_writer_that_cannot_look_back_guesses():
    """Every changed word is as good a word as the true one where it stands."""
    found = held_out_pairs(0, WORDS, 4000, n=20)
    assert found is not None
    ngram = NGram.fit(np.concatenate(found.texts), order=1, vocab_size=WORDS.vocab_size)
    (shares,) = by_ngrams(found, ngram)
    assert all(0.2 < share < 0.8 for share in shares.values()), shares
