"""The chunked loss beside torch's own, on whole models and under everything that training does to it."""

import copy
import threading

import pytest
import torch
from torch.nn import functional as F

from glassformer.kernels import fused, linear_cross_entropy, plain
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig

SHAPE = {"vocab_size": 37, "context_length": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
PARTS = [
    {},
    {"head": "untied"},
    {"head": "multi_token"},
    {"logit_softcap": 3.0, "absent": [[20, 22], [36, 36]]},
    {"init": "mup", "head": "untied", "dropout": 0.1},
    {"mlp": "moe"},
]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(linear_cross_entropy, "ROWS", {"cpu": 7})
    monkeypatch.setattr(linear_cross_entropy, "HELD", {"cpu": 3 * SHAPE["vocab_size"]})


def batch():
    ids = torch.randint(19, (3, 13), generator=torch.Generator().manual_seed(0))
    targets = ids[:, 1:].clone()
    targets[1, 3] = targets[2, 5:] = IGNORED
    return ids[:, :-1], targets


def gradients(model: GPT, weights=1.0, autocast=None):
    ids, targets = batch()
    torch.manual_seed(0)
    with torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None):
        nats = model(ids, targets)
    (nats * weights).sum().backward()
    return nats.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def check(found, expected, tolerance):
    torch.testing.assert_close(found[0], expected[0], atol=tolerance, rtol=tolerance)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        size = max(1.0, gradient.abs().max().item())
        assert (found[1][name] - gradient).abs().max() <= tolerance * size, name


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("weights", ["alike", "each its own"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_model_has_the_losses_and_gradients_of_the_formula(parts, weights, dtype):
    models = [GPT(GPTConfig.parse({**SHAPE, **parts}), maths, seed=1).to(dtype) for maths in (fused(), plain())]
    weight = 0.25 if weights == "alike" else torch.rand(3, 12, dtype=dtype)
    check(gradients(models[0], weight), gradients(models[1], weight), 1e-6 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_and_a_loss_scale_change_rounding_only(dtype):
    exact = GPT(GPTConfig.parse(SHAPE), plain(), seed=1).double()
    narrow = GPT(GPTConfig.parse(SHAPE), seed=1)
    found = gradients(narrow, 1024.0, dtype)
    assert found[0].dtype == torch.float32 and all(g.dtype == torch.float32 for g in found[1].values())
    scaled = {name: g.double() / 1024 for name, g in found[1].items()}
    check((found[0].double(), scaled), gradients(exact), 0.05)


def test_the_logits_are_never_whole():
    largest = 0
    N, V = 70, 1000

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            largest = max(largest, out.untyped_storage().nbytes() if isinstance(out, torch.Tensor) else 0)
            return out

    x, weight, y = torch.randn(N, 2, requires_grad=True), torch.randn(V, 2, requires_grad=True), torch.arange(N)
    with Watch():
        fused().linear_cross_entropy(x, weight, y).mean().backward()
    assert largest == 7 * V * 4
    with Watch():
        plain().linear_cross_entropy(x, weight, y).mean().backward()
    assert largest == N * V * 4


def test_each_logit_is_computed_once_unless_the_tokens_count_differently(monkeypatch):
    calls, through = [], linear_cross_entropy._through
    monkeypatch.setattr(linear_cross_entropy, "_through", lambda *a, **k: calls.append(1) or through(*a, **k))
    x, weight, y = torch.randn(9, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True), torch.arange(9) % 5

    def run(count, passes):
        calls.clear()
        nats = fused().linear_cross_entropy(x, weight, y)
        first = torch.autograd.grad(count(nats), (x, weight), retain_graph=True)
        assert len(calls) == passes
        kept = [g.clone() for g in first]
        again = torch.autograd.grad(count(nats), (x, weight))
        for g, before, other in zip(first, kept, again):
            assert torch.equal(g, before), "a second backward pass changed what the first had returned"
            torch.testing.assert_close(g, other)

    run(lambda nats: nats.sum() / 9, 1)
    run(lambda nats: nats.mean(), 1)
    run(lambda nats: (nats * torch.arange(9)).sum(), 2)


def test_what_is_frozen_gets_no_gradient_and_without_grad_none_is_computed():
    x, weight, y = torch.randn(9, 4, requires_grad=True), torch.randn(5, 4), torch.arange(9) % 5
    fused().linear_cross_entropy(x, weight, y).sum().backward()
    assert weight.grad is None and x.grad is not None
    with torch.no_grad():
        nats = fused().linear_cross_entropy(x, weight, y)
    assert not nats.requires_grad
    torch.testing.assert_close(nats, F.cross_entropy(x @ weight.T, y, reduction="none"))


def test_a_head_whose_projection_was_replaced_is_asked_for_its_logits():
    class Adapted(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return 2 * self.inner(x)

    model = GPT(GPTConfig.parse({**SHAPE, "head": "untied"}), seed=1)
    model.head.lm_head = Adapted(model.head.lm_head)
    ids, targets = batch()
    expected = F.cross_entropy(model(ids).transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    torch.testing.assert_close(model(ids, targets), expected)


@pytest.mark.slow
def test_a_compiled_model_has_the_same_losses_and_gradients():
    torch._dynamo.reset()
    model = GPT(GPTConfig.parse(SHAPE), seed=1)
    other = copy.deepcopy(model)
    compiled = torch.compile(other, backend="aot_eager")
    ids, targets = batch()
    nats = compiled(ids, targets)
    nats.mean().backward()
    expected = model(ids, targets)
    expected.mean().backward()
    torch.testing.assert_close(nats, expected)
    for p, q in zip(model.parameters(), other.parameters()):
        torch.testing.assert_close(p.grad, q.grad)


class Meeting:
    """What threads know of each other's tensors: each gives its own and gets those of all."""

    def __init__(self, n):
        self.given, self.barrier = [torch.zeros(())] * n, threading.Barrier(n)

    def of_all(self, i, t):
        self.given[i] = t.detach().clone()
        self.barrier.wait()
        found = torch.stack(list(self.given))
        self.barrier.wait()
        return found

    def across(self, i, first, widest):
        def added(t):  # the sum, whose gradient passes as it is
            return t + (self.of_all(i, t).sum(0) - t).detach()

        return linear_cross_entropy.Across(first, widest, lambda t: self.of_all(i, t).amax(0), added)


@pytest.mark.parametrize("kernel", [linear_cross_entropy.plain, linear_cross_entropy.fused])
@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("even", [True, False])
def test_a_vocabulary_in_parts_gives_the_loss_of_the_whole(kernel, cap, even):
    g = torch.Generator().manual_seed(0)
    x, W = (torch.randn(n, 8, dtype=torch.float64, generator=g).requires_grad_() for n in (11, 10))
    targets, weights = torch.randint(8, (11,), generator=g), torch.rand(11, dtype=torch.float64, generator=g)
    targets[3] = IGNORED
    absent = torch.tensor([False] * 8 + [True] * 2)
    scale = torch.ones_like(weights) if even else weights  # uneven weights go through the chunks again
    nats = linear_cross_entropy.plain(x, W, targets, cap, absent)
    expected = torch.autograd.grad((nats * scale).sum(), (x, W))
    bounds, found, meeting = [(0, 4), (4, 8), (8, 10)], {}, Meeting(3)

    def part(i, first, end):
        own = x.detach().requires_grad_(), W.detach()[first:end].requires_grad_()
        ours = kernel(*own, targets, cap, absent[first:end], meeting.across(i, first, 4))
        found[i] = ours.detach(), *torch.autograd.grad((ours * scale).sum(), own)

    threads = [threading.Thread(target=part, args=(i, *pair)) for i, pair in enumerate(bounds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(3):
        torch.testing.assert_close(found[i][0], nats.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sum(found[i][1] for i in range(3)), expected[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([found[i][2] for i in range(3)]), expected[1], rtol=1e-12, atol=1e-12)
