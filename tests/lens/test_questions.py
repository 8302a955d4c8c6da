"""What is asked of a trace: the logit lens, attribution, the stream."""

import pytest
import torch

from glassformer.corpora.village.story import tell
from glassformer.errors import LensError
from glassformer.lab.contracts.model.combinations import label, lively, model, pairs
from glassformer.lens import stream
from glassformer.lens.attribution import attribute
from glassformer.lens.logit_lens import layer_logits, logit_lens
from glassformer.lens.trace import next_tokens, trace

from .variants import USUAL, every_variant, some_ids

COMBINATIONS = [*every_variant("embed", "position", "mixer", "norm", "residual", "head", "shape"), *pairs()[::24]]
OF_A_PROJECTION = ("full", "sliding", "block_sparse", "strided", "linear")


@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_the_last_row_of_the_lens_is_what_the_model_says(combination):
    gpt = model(combination)
    seen = trace(gpt, some_ids())
    rows = dict(layer_logits(seen))
    said = gpt.logits(seen["final_norm"])
    assert list(rows) == ["embed", *(f"blocks.{i}" for i in range(gpt.config.n_layer))]
    assert torch.equal(rows[f"blocks.{gpt.config.n_layer - 1}"], said)
    if combination["head"] != "pointer":
        assert torch.equal(said, seen.logits)


def test_the_lens_of_the_trained_model_grows_surer_of_the_answer(village_mini):
    gpt, tokenizer = village_mini
    ids = torch.tensor([[tokenizer.require_end_of_text(), *tokenizer.encode(tell(0, "validation", 0).text)]])
    targets = next_tokens(ids)
    found = logit_lens(trace(gpt, ids), targets, k=3)
    log_p = found.target[:, :, 5:-1].log().mean((1, 2))
    assert log_p.argmax() == 4 and log_p[4] > log_p[:4].max() + 1, "in nats a token"
    with torch.no_grad():
        p = gpt(ids).softmax(-1)
    assert torch.equal(found.top[-1], p.topk(3).indices) and torch.allclose(found.probabilities[-1], p.topk(3).values)
    its = p[0, 5, targets[0, 5]]
    assert float(found.target[-1, 0, 5]) == pytest.approx(float(its)) and int(found.rank[-1, 0, 5]) == int(
        (p[0, 5] > its).sum()
    )
    assert torch.allclose(found.entropy[-1], torch.distributions.Categorical(probs=p).entropy(), atol=1e-4)


@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_the_terms_add_up_to_the_logit(combination):
    gpt, ids = lively(combination).train(), some_ids()
    seen = trace(gpt, ids)
    tokens = next_tokens(ids).clamp(min=0)
    with torch.no_grad():
        logits = gpt.eval().logits(gpt.hidden(ids)).gather(-1, tokens[..., None])[..., 0]
    for heads in (False, True):
        found = attribute(seen, tokens, heads=heads)
        assert (found.total - logits).abs().max() <= 1e-3 and torch.allclose(found.logit, logits)
    assert found.parts[0] == "embed" and found.parts[-1] == f"blocks.{gpt.config.n_layer - 1}.mlp"
    of_heads = [part for part in found.parts if ".heads." in part]
    expected = gpt.config.n_head * gpt.config.n_layer if combination["mixer"] in OF_A_PROJECTION else 0
    assert len(of_heads) == expected and not any(p.grad is not None for p in gpt.parameters())


def test_the_terms_are_those_of_a_formula_written_by_hand(village_mini):
    """With pre-norms and a tied head: part x gain / rms x the row of the token."""
    gpt, tokenizer = village_mini
    seen = trace(gpt, tokenizer.encode("One day Mia lost her red kite."))
    tokens = seen.logits.argmax(-1)
    found = attribute(seen, tokens, against=torch.zeros_like(tokens))
    x = seen["blocks.3.resid_post"]
    direction = gpt.final_norm.weight / (x.square().mean(-1, keepdim=True) + gpt.final_norm.eps).sqrt()
    direction = direction * (gpt.embedding[tokens] - gpt.embedding[0])
    by_hand = torch.stack([
        (part * direction).sum(-1)
        for part in [seen["blocks.0.resid_pre"], *(seen[f"blocks.{i}.{p}.out"] for i in range(4) for p in ("mixer", "mlp"))]
    ])  # fmt: skip
    assert torch.allclose(found.terms, by_hand, atol=1e-4) and not found.constant.any()
    lead = seen.logits.gather(-1, tokens[..., None])[..., 0] - seen.logits[..., 0]
    assert (found.total - lead).abs().max() <= 1e-3
    name, value = found.largest(0, 3, 1)[0]
    assert value == float(found.terms[found.parts.index(name), 0, 3]) and abs(value) == found.terms[:, 0, 3].abs().max()


def test_packed_documents_are_attributed_as_they_were_read():
    gpt, ids = lively(USUAL), some_ids()
    seen = trace(gpt, ids, documents=torch.tensor([[0] * 6 + [1] * 10] * 2))
    tokens = seen.logits.argmax(-1)
    found = attribute(seen, tokens)
    assert torch.allclose(found.logit, seen.logits.gather(-1, tokens[..., None])[..., 0])
    assert not torch.allclose(found.logit, attribute(trace(gpt, ids), tokens).logit)


def test_with_biases_the_constant_is_theirs():
    gpt = lively({**USUAL, "norm": "layernorm", "shape": "grouped_with_bias"})
    with torch.no_grad():
        for name, parameter in gpt.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    ids = some_ids()
    seen, tokens = trace(gpt, ids), some_ids()
    plain, by_head = attribute(seen, tokens), attribute(seen, tokens, heads=True)
    assert torch.allclose(plain.constant, (gpt.final_norm.bias * gpt.embedding[tokens]).sum(-1))
    assert (by_head.total - by_head.logit).abs().max() < 1e-9 and (by_head.constant - plain.constant).abs().max() > 0.01


def test_a_norm_of_ones_own_is_refused(tmp_path):
    (tmp_path / "odd.py").write_text(
        "from torch import nn\nfrom glassformer.model.norm import Norm\n\n\nclass Config(Norm):\n"
        "    def build(self, shapes, kernels=None):\n        return Odd()\n\n\nclass Odd(nn.Module):\n"
        "    def forward(self, x):\n        return x.tanh()\n"
    )
    gpt = lively({**USUAL, "norm": str(tmp_path / "odd.py")})
    with pytest.raises(LensError, match="has no direct attribution"):
        attribute(trace(gpt, some_ids()), some_ids())


@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_what_the_parts_add_makes_the_stream(combination):
    seen = trace(lively(combination), some_ids())
    parts, sizes = stream.parts(seen), stream.lengths(seen)
    n = seen.model.config.n_layer
    assert [p.name for p in parts] == [f"blocks.{i}.{end}" for i in range(n) for end in ("mixer", "mlp")]
    assert len(sizes) == n * (2 if combination["residual"] == "parallel" else 3)
    for part in parts:
        if combination["residual"] in ("pre", "parallel"):
            assert torch.allclose(part.added, seen[f"{part.name}.out"].norm(dim=-1))
        assert (part.cosine.abs() <= 1 + 1e-9).all() and torch.allclose(part.share * part.before, part.added)
    if combination["residual"] != "parallel":  # the law of cosines, from one end of the block to the other
        for part, after in zip(parts, [seen["blocks.0.resid_mid"], seen["blocks.0.resid_post"]]):
            expected = part.before**2 + part.added**2 + 2 * part.before * part.added * part.cosine
            assert torch.allclose(after.norm(dim=-1) ** 2, expected)
