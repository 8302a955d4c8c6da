"""N-gram embeddings: the same n-gram has the same vector wherever it stands, and nothing of another text is seen."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.positions import Positions

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": 11, "context_length": 32}


def embedding(**settings):
    return GPTConfig.parse({**SMALL, "embed": {"name": "ngram", **settings}}).embed.build(GPTConfig.parse(SMALL))


@given(ids=st.lists(st.integers(0, 10), min_size=1, max_size=20), order=st.integers(2, 4))
def test_the_tokens_before_are_those_of_a_plain_loop(ids, order):
    found = embedding(order=order).before(torch.tensor([ids]), Positions.of(len(ids)))
    expected = [[ids[t - n] if t >= n else -1 for n in range(1, order)] for t in range(len(ids))]
    assert found.tolist() == [expected]


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_packed_documents_see_nothing_of_each_other(lengths, seed):
    embed = embedding(rows=50)
    texts = [torch.randint(11, (1, n), generator=torch.Generator().manual_seed(seed + n)) for n in lengths]
    documents = torch.tensor([[i for i, n in enumerate(lengths) for _ in range(n)]])
    row = torch.cat(texts, 1)
    together = embed(row, embed.before(row, Positions.of(row.shape[1], documents=documents)))
    torch.testing.assert_close(together, torch.cat([embed(text) for text in texts], 1))


def test_the_same_n_gram_has_the_same_vector_and_another_before_it_changes_it():
    embed = embedding(order=3, rows=100_003)
    x = embed(torch.tensor([[1, 2, 3, 4, 1, 2, 3, 9, 2, 3]]))[0]
    torch.testing.assert_close(x[2], x[6])
    assert not torch.allclose(x[2], x[9])  # 1 2 3, and 9 2 3


def test_parameters_are_a_table_for_each_length():
    embed = embedding(order=4, rows=50)
    assert [tuple(p.shape) for p in embed.parameters()] == [(11, 8), (50, 8), (50, 8), (50, 8)]


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_text_read_in_pieces_is_read_as_a_whole(cut):
    gpt = GPT(GPTConfig.parse({**SMALL, "embed": "ngram"}), seed=1).eval()
    ids = torch.randint(11, (2, 9))
    cache = gpt.make_cache(2, 16)
    pieces = [gpt(piece, cache=cache) for piece in ids.split(cut, 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), gpt(ids), atol=1e-5, rtol=1e-5)
