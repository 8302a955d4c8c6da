"""Which keys a query sees: a fast path belongs to the rule that it was written for, and rows may stand anywhere."""

import pytest
import torch
from torch import Tensor

from glassformer import kernels
from glassformer.kernels import attention
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.positions import Positions

from .combinations import CHOICES

NARROW = [
    "full", {"name": "sliding", "window": 3}, {"name": "strided", "window": 2, "stride": 3},
    {"name": "block_sparse", "block": 2, "before": 1, "first": 1},
]  # fmt: skip
EACH = pytest.mark.parametrize("mixer", NARROW, ids=str)


def layer(mixer, position="rope", **shape) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A mixer and the position scheme of the same small model."""
    tree = {"vocab_size": 11, "context_length": 32, "n_layer": 1, "n_head": 2, "n_embd": 16, **shape}
    gpt = GPT(GPTConfig.parse({**tree, "mixer": mixer, "position": position}), seed=1).eval()
    return gpt.blocks[0].get_submodule("mixer"), gpt.position


class Even:
    """A rule of a user's own: itself, and what lies an even number of steps back."""

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        back = q_index - k_index
        return (back >= 0) & (back % 2 == 0) & (k_index >= 0)


def by_hand(mixer: torch.nn.Module, x: Tensor) -> Tensor:
    """Attention with the rule `Even`, from the module's own projections, without positions."""
    q, k, v = (
        mixer.get_submodule(name)(x).unflatten(-1, (-1, 8)).transpose(1, 2) for name in ("q_proj", "k_proj", "v_proj")
    )
    index = torch.arange(x.shape[1])
    y = attention.plain(q, k, v, visible=Even().visible(index[:, None], index))
    return mixer.get_submodule("o_proj")(y.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("how", ["override", "mixin", "grandchild"])
@EACH
def test_a_subclass_that_changes_the_rule_alone_has_no_fast_path_of_another_rule(mixer, how):
    part, _ = layer(mixer, "none")
    kind = type(part)
    if how == "override":
        part.__class__ = type("Mine", (kind,), {"visible": Even.visible})
    elif how == "mixin":
        part.__class__ = type("Mine", (Even, kind), {})
    else:
        part.__class__ = type("Mine", (type("Between", (Even, kind), {}),), {"window": 3})
    x = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))
    expected = by_hand(part, x)
    torch.testing.assert_close(part(x, Positions.of(12)), expected, atol=1e-6, rtol=1e-5)
    documents = torch.zeros(2, 12, dtype=torch.long)
    torch.testing.assert_close(part(x, Positions.of(12, documents=documents)), expected, atol=1e-6, rtol=1e-5)
    cache = part.make_cache(2, 12)  # pyright: ignore
    parts = [part(x[:, a:b], Positions.of(b - a, a), cache) for a, b in ((0, 5), (5, 6), (6, 12))]
    torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-6, rtol=1e-5)


@EACH
def test_a_subclass_that_changes_the_rule_may_bring_its_own_fast_path(mixer):
    part, _ = layer(mixer, "none")
    asked = []

    def fast(self, q, k, v, positions):
        asked.append(q.shape)
        return v.repeat_interleave(q.shape[1] // v.shape[1], 1)

    part.__class__ = type("Mine", (type(part),), {"visible": Even.visible, "fast": fast})
    x = torch.randn(2, 12, 16)
    torch.testing.assert_close(part(x, Positions.of(12)), part.get_submodule("o_proj")(part.get_submodule("v_proj")(x)))
    assert asked


@pytest.mark.parametrize("start", [5, [5, 2]], ids=str)
@pytest.mark.parametrize("mixer", [*CHOICES["mixer"], *NARROW[1:]], ids=str)
@pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])
def test_rows_that_stand_elsewhere_are_causal_without_a_cache(mixer, start, maths):
    part, scheme = layer(mixer)
    part.kernels = maths
    x = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    positions = Positions.of(6, start, scheme=scheme)  # pyright: ignore
    before = part(x, positions)
    for t in range(5):
        changed = x.clone()
        changed[:, t + 1 :] += 1
        torch.testing.assert_close(part(changed, positions)[:, : t + 1], before[:, : t + 1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("start", [6, [6, 12]], ids=str)
@pytest.mark.parametrize("position", ["none", "rope", "alibi", "relative"])
@pytest.mark.parametrize("mixer", [*CHOICES["mixer"], *NARROW[1:3]], ids=str)
def test_where_rows_stand_changes_nothing_where_only_distances_matter(mixer, position, start):
    part, scheme = layer(mixer, position)
    x = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    y = part(x, Positions.of(6, start, scheme=scheme))  # pyright: ignore
    torch.testing.assert_close(y, part(x, Positions.of(6, scheme=scheme)), atol=1e-5, rtol=0)  # pyright: ignore


def test_blocks_are_counted_from_the_beginning_of_the_text():
    """Tokens 3 to 6 are in the blocks (2, 3), (4, 5), (6, 7); each sees its own block and none before."""
    part, _ = layer({"name": "block_sparse", "block": 2, "before": 0, "first": 0}, "none")
    x = torch.randn(1, 4, 16)
    y = part(x, Positions.of(4, 3))
    v = part.get_submodule("v_proj")(x)
    torch.testing.assert_close(y[:, [0, 1, 3]], part.get_submodule("o_proj")(v[:, [0, 1, 3]]))


