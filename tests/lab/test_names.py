"""What a name costs, against numbers computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from glassformer.data.ngram import NGram
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab import names
from glassformer.lab import texts as texts_module
from glassformer.lab.names import Names, by_model, by_ngrams, held_out_names
from glassformer.tokenizers import TokenizerRecipe

TEXT = "Tom met Mira. Mira's kite flew. Tom ran."
#       0   4   8   12 14               32
BYTES = TokenizerRecipe.named("byte").train([TEXT])


class Clock(nn.Module):
    """A model whose loss at target t of a row is t nats."""

    device = torch.device("cpu")

    def forward(self, ids, targets, documents=None):
        return torch.arange(ids.shape[1]).float().expand(ids.shape) * (targets != IGNORED)


def test_a_name_costs_the_sum_of_its_letters():
    """Not yet said: Tom 0 + 1 + 2, Mira 8 + 9 + 10 + 11. Said: Mira 14 + 15 + 16 + 17, Tom 32 + 33 + 34."""
    found = by_model(Names.of([TEXT], BYTES, 64), Clock())
    assert found == {"name_unsaid": (3 + 38) / 2, "name_said": (62 + 99) / 2}


def test_what_was_said_in_another_story_is_not_said():
    found = Names.of([TEXT, "Mira saw Tom.", ""], BYTES, 64)
    assert [name.said for name in found.names if name.story == 1] == [False, False]
    assert by_model(found, Clock())["name_unsaid"] == (3 + 38 + (0 + 1 + 2 + 3) + (9 + 10 + 11)) / 4


def test_names_beyond_the_context_are_not_read():
    assert by_model(Names.of([TEXT], BYTES, 20), Clock()) == {"name_unsaid": 20.5, "name_said": 62}
    assert by_model(Names.of([TEXT], BYTES, 12), Clock()) == {"name_unsaid": 20.5}
    assert by_model(Names.of([TEXT], BYTES, 11), Clock()) == {"name_unsaid": 3}


def test_stories_of_any_number_and_length_are_read_in_rows(monkeypatch):
    texts = [TEXT, "Tom.", "Mira and Tom met Tom.", "Nobody came.", TEXT + " " + TEXT]
    whole = by_model(Names.of(texts, BYTES, 100), Clock())
    monkeypatch.setattr(texts_module, "ROWS", 2)
    assert by_model(Names.of(texts, BYTES, 100), Clock()) == pytest.approx(whole)


def test_a_word_that_only_begins_like_a_name_is_no_name():
    assert not Names.of(["Tomorrow the Miracle of Idaho."], BYTES, 64).names


def test_tokens_that_hold_more_than_the_name_count_whole():
    words = TokenizerRecipe.named("word").train([TEXT] * 3)
    found = Names.of([TEXT], words, 64)
    for name in found.names:
        held = words.decode(found.stories[0][name.first : name.last].tolist())
        assert "Tom" in held or "Mira" in held
    assert [name.said for name in found.names] == [False, False, True, True]


def test_ngrams_pay_what_their_distribution_says():
    found = Names.of([TEXT, TEXT], BYTES, 64)
    ngram = NGram.fit(np.concatenate(found.stories), order=2, vocab_size=BYTES.vocab_size)
    first, second = by_ngrams(found, ngram)
    alone = NGram.fit(np.concatenate(found.stories), order=1, vocab_size=BYTES.vocab_size).distribution([])
    costs = {who: sum(-np.log(alone[id]) for id in BYTES.encode(who)) for who in ("Tom", "Mira")}
    assert first["name_said"] == pytest.approx((costs["Tom"] + costs["Mira"]) / 2)
    ids = BYTES.encode(TEXT)
    spaced = [-np.log(ngram.distribution([ids[k - 1]])[ids[k]]) for k in range(1, len(ids))]
    assert second["name_said"] == pytest.approx((sum(spaced[13:17]) + sum(spaced[31:34])) / 2)


def test_held_out_stories_have_names_of_both_kinds():
    found = held_out_names(0, BYTES, 2000)
    assert found is not None and len(found.stories) == names.STORIES
    said = sum(name.said for name in found.names)
    assert len(found.names) > 1000 and said > len(found.names) / 2
    text = BYTES.decode(found.stories[0][found.names[0].first : found.names[0].last].tolist())
    assert text.isalpha() and text[0].isupper()


def test_a_tokenizer_that_changes_the_text_measures_no_names():
    lower = TokenizerRecipe.named("wordpiece", vocab_size=300, reading="bert-uncased").train([TEXT.lower()] * 3)
    assert held_out_names(0, lower, 64) is None
