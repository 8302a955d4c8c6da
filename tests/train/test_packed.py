"""Documents packed into rows teach what they teach alone: same loss, same gradient, and nothing passes between them."""

import pytest
import torch

from glassformer.data.sampler import Sampler
from glassformer.kernels import fused, plain
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.train.loss.next_token import NextToken

from ..data.splits import SEPARATOR, split_of

LENGTHS = [7, 2, 11, 24, 5, 1, 9, 30, 13, 3]  # 30 is longer than a row of 24
CONTEXT = 24


def model(kernels, **parts):
    config = GPTConfig(vocab_size=200, context_length=CONTEXT, n_layer=2, n_embd=16, n_head=2, **parts)
    return GPT(config, kernels, seed=4).double()


def alone(split) -> list[torch.Tensor]:
    """Each document (a part of one, where it is too long), with the separator that ends it."""
    ids = split.tokens[:].tolist()
    documents = [[*ids[a:b], SEPARATOR] for a, b in zip(split.documents.tolist(), split.documents[1:].tolist())]
    return [torch.tensor([d[i : i + CONTEXT + 1]]) for d in documents for i in range(0, len(d) - 1, CONTEXT)]


@pytest.mark.parametrize("kernels", [plain, fused])
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "none"])
@pytest.mark.parametrize("name", ["packed", "buckets"])
def test_the_loss_of_an_epoch_is_the_mean_over_documents_alone(name, position, kernels):
    split, gpt = split_of(LENGTHS), model(kernels(), position=position)
    sampler = Sampler.named(name).build(split, CONTEXT, 5, seed=1)
    n_batches = sampler.n_batches if name == "buckets" else sampler.n_rows // 5
    assert name == "buckets" or sampler.n_rows % 5 == 0
    batches = [sampler(step) for step in range(n_batches)]
    nats = torch.stack([NextToken().nats(gpt, batch).sum() for batch in batches]).sum()
    n_targets = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
    assert n_targets == sum(LENGTHS)
    expected = [
        torch.nn.functional.cross_entropy(gpt(d[:, :-1])[0], d[0, 1:], reduction="sum") for d in alone(split)
    ]
    torch.testing.assert_close(nats / n_targets, torch.stack(expected).sum() / n_targets, rtol=1e-9, atol=0)
    gradients = [torch.autograd.grad(loss, list(gpt.parameters())) for loss in (nats, torch.stack(expected).sum())]
    for ours, theirs in zip(*gradients):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_a_documents_loss_has_no_gradient_at_another_documents_embeddings():
    gpt, batch = model(fused()), Sampler.named("packed").build(split_of(LENGTHS), CONTEXT, 4, seed=1)(0)
    assert batch.documents is not None
    leaf = gpt.embed(batch.ids).detach().requires_grad_()
    hook = gpt.embed.register_forward_hook(lambda *_: leaf)
    nats = NextToken().nats(gpt, batch).view_as(batch.ids)
    hook.remove()
    crossed = 0
    for row in range(4):
        for number in batch.documents[row].unique():
            inside = torch.zeros_like(batch.ids, dtype=torch.bool)
            inside[row] = batch.documents[row] == number
            (gradient,) = torch.autograd.grad(nats[inside].sum(), leaf, retain_graph=True)
            assert (gradient[~inside] == 0).all()
            assert (batch.targets[inside] == IGNORED).all() == (gradient[inside] == 0).all()
            crossed += 1
    assert crossed > 6  # there were several in a row


AHEAD = {"name": "multi_token", "n_ahead": 3, "weight": 1.0}


def test_what_another_document_says_changes_no_gradient_of_tokens_further_ahead():
    gpt, sampler = model(fused(), head=AHEAD).train(), Sampler.named("packed").build(split_of(LENGTHS), CONTEXT, 4, seed=1)
    batch = sampler(0)
    assert batch.documents is not None

    def gradient(batch):
        leaf = gpt.embed(batch.ids).detach().requires_grad_()
        hook = gpt.embed.register_forward_hook(lambda *_: leaf)
        loss = NextToken().nats(gpt, batch).sum()
        hook.remove()
        return torch.autograd.grad(loss, leaf)[0]

    before, changed = gradient(batch), 0
    rows = torch.arange(4)[:, None]
    for row, number in torch.stack([rows.expand_as(batch.ids), batch.documents], -1).flatten(0, 1).unique(dim=0):
        inside = (rows == row) & (batch.documents == number)
        if (batch.targets[inside] == IGNORED).any():
            continue  # fills the row up
        ids, targets = batch.ids.clone(), batch.targets.clone()
        ids[inside], targets[inside] = (ids[inside] + 1) % 200, (targets[inside] + 1) % 200
        after = gradient(batch.having(ids=ids, targets=targets))
        torch.testing.assert_close(after[~inside], before[~inside], rtol=1e-9, atol=1e-12)
        changed += int((after[inside] != before[inside]).any())
    assert changed > 6


def test_tokens_further_ahead_teach_what_they_teach_in_each_document_alone():
    """The separator that ends a document is the last that is looked ahead to."""
    gpt, split = model(fused(), head=AHEAD), split_of(LENGTHS)
    sampler = Sampler.named("packed").build(split, CONTEXT, 5, seed=1)
    batches = [sampler(step) for step in range(sampler.n_rows // 5)]

    def total(ids, targets, documents, n_targets):
        """The sum over the far targets, of which there are so many."""
        x = gpt.hidden(ids, documents=documents)
        return gpt.head.auxiliary_loss(x, gpt.logits, targets, documents) * n_targets

    def far(n):
        return sum(max(0, n - j) for j in (1, 2, 3))

    packed = torch.zeros(())
    for batch in batches:
        ids, targets, documents = batch.ids, batch.targets, batch.documents
        assert documents is not None
        lengths = [int(((documents[row] == n) & (targets[row] != IGNORED)).sum()) for row in range(5) for n in range(24)]
        packed = packed + total(ids, targets, documents, sum(map(far, lengths)))
    expected = torch.stack([total(d[:, :-1], d[:, 1:], None, far(d.shape[1] - 1)) for d in alone(split)]).sum()
    torch.testing.assert_close(packed, expected, rtol=1e-9, atol=0)
