"""What the trainer asks of its ranks: equally many passes, rows that count nothing, the state of a pipeline's stages."""

from types import SimpleNamespace

import pytest
import torch

from glassformer.data.batches import Batch, rows_of
from glassformer.kernels import plain
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs import optimizer_state
from glassformer.train.optimizer.muon import Config as Muon
from glassformer.train.ranks import ALONE, Ranks, padded


def batch(rows):
    ids = torch.arange(1, 5 * rows + 1).view(rows, 5)
    return Batch(ids, ids + 1, torch.zeros_like(ids), reward=torch.arange(float(rows)))


def ranks(rank, count):
    return Ranks(SimpleNamespace(rank=rank, count=count))  # type: ignore[arg-type]


@pytest.mark.parametrize(("rows", "count", "n"), [(8, 2, 2), (7, 2, 2), (1, 2, 2), (3, 4, 1), (5, 3, 4)])
def test_all_make_as_many_passes_and_every_row_is_read_once(rows, count, n):
    read = []
    for rank in range(count):
        mine = batch(rows).rows(rows_of(rank, count, rows))
        parts = list(ranks(rank, count).parts(mine, n))
        assert len(parts) == n and all(len(part.ids) > 0 for part in parts)
        for part in parts:
            read += [row for row, targets in zip(part.ids.tolist(), part.targets) if (targets != IGNORED).any()]
    assert sorted(read) == batch(rows).ids.tolist()


def test_alone_a_small_batch_takes_fewer_passes():
    assert [len(part.ids) for part in ALONE.parts(batch(3), 8)] == [1, 1, 1]
    assert (ALONE.passes(5), ranks(0, 2).passes(5), ranks(0, 8).passes(5)) == (5, 3, 1)


def test_the_shares_of_an_evaluation_are_the_batch():
    for rows in (1, 5):
        shares = [ranks(rank, 3).share(batch(rows)) for rank in range(3)]
        assert all(len(share.ids) for share in shares)
        counted = torch.cat([share.ids[(share.targets != IGNORED).all(1)] for share in shares])
        assert torch.equal(counted, batch(rows).ids)


def test_rows_without_targets_are_added_and_fields_of_a_stage_come_along():
    made = padded(batch(2), 5)
    assert made.ids.shape == made.targets.shape == made.documents.shape == (5, 5) and made.reward.shape == (5,)
    assert torch.equal(made.targets[:2], batch(2).targets) and (made.targets[2:] == IGNORED).all()
    assert padded(made, 5) is made


def test_the_state_of_stages_is_that_of_one_process_and_back():
    config = GPTConfig.parse({"vocab_size": 16, "context_length": 8, "n_layer": 4, "n_head": 2, "n_embd": 16, "bias": True})
    model = GPT(config, kernels=plain())
    optimizer = Muon().build(model)
    _, tree = optimizer_state.packed(optimizer, model)
    order = [name for name, _ in model.named_parameters()]
    stages = [{n for n in order if n.startswith(("embed", "blocks.0", "blocks.2"))}]
    stages.append({n for n in order if n not in stages[0]} | {"embed.weight"})  # tied: on both
    trees = [optimizer_state.of_these(tree, [n for n in order if n in names]) for names in stages]
    for names, part in zip(stages, trees):
        assert {name for group in part["param_groups"] for name in group["params"]} == names == set(part["state"])
    assert optimizer_state.merged(trees, order) == tree
    assert list(optimizer_state.merged(trees[::-1], order)["state"]) == order
