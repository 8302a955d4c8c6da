"""A quantized run is a run: it is whole, it says the same after loading, and it refuses what it cannot do."""

import pytest
import torch

from glassformer.errors import CheckpointError, GlassError
from glassformer.model.quantized import in_bits, quantized
from glassformer.recipes.quantize import quantize
from glassformer.runs import checkpoint
from glassformer.runs.shipped import FOLDER

SOURCE = FOLDER / "village-mini"


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantized_run_holds_the_rounded_weights(tmp_path, bits):
    made = quantize(SOURCE, tmp_path / "run", bits)
    saved = checkpoint.load(tmp_path / "run")
    ids = torch.tensor([saved.tokenizer().encode("One morning, a boy called Theo was playing in the berry patch.")])
    assert saved.bits == bits and saved.folder == made
    model, original = saved.model(), checkpoint.load(SOURCE).model()
    with torch.inference_mode():
        z, rounded, exact = model(ids), quantized(original, bits)(ids), original(ids)
    assert torch.equal(z, rounded)
    moved = (z.softmax(-1) - exact.softmax(-1)).abs().sum(-1).mean() / 2  # the probability that went to other tokens
    assert 0 < moved < (0.04 if bits == 8 else 0.3)
    sizes = [(path / "model.safetensors").stat().st_size for path in (made, checkpoint.load(SOURCE).folder)]
    assert sizes[0] < sizes[1] * (0.55 if bits == 8 else 0.32)  # the shipped weights have 16 bits


def test_what_a_quantized_run_cannot_do(tmp_path):
    quantize(SOURCE, tmp_path / "run", 4)
    saved = checkpoint.load(tmp_path / "run")
    with pytest.raises(CheckpointError, match="4 bits, which cannot be trained"):
        saved.fill(checkpoint.load(SOURCE).model())
    with pytest.raises(GlassError, match="4 bits already"):
        quantize(tmp_path / "run", tmp_path / "again", 8)
    with pytest.raises(GlassError, match="leave --bits 8 out"):
        in_bits(saved.model(), 8)
    assert in_bits(saved.model(), 4).blocks[0].mlp.up_proj.bits == 4
    saved.state["bits"] = 3
    with pytest.raises(CheckpointError, match="3 bits"):
        saved.model()


def test_bits_of_a_model_that_is_not_quantized():
    model = checkpoint.load(SOURCE).model()
    assert in_bits(model, 16).blocks[0].mlp.up_proj.weight.dtype == torch.bfloat16
    assert in_bits(model, 32).blocks[0].mlp.up_proj.weight.dtype == torch.float32


def test_the_commands(glass):
    code, out, _ = glass("quantize", "village-mini", "--bits", 4, "--name", "small")
    assert code == 0 and "runs/small/checkpoints/00010000: 1.2 MB of weights" in out
    settings = ["One morning", "-s", "temperature=0", "-s", "max_new_tokens=5"]
    written = glass("generate", "runs/small", *settings)
    assert written[0] == 0 and glass("generate", "village-mini", *settings, "--bits", 4)[1] == written[1]
    assert glass("generate", "runs/small", *settings, "--bits", 8)[0] == 2
    for verb in ("quantize", "generate"):
        code, _, complained = glass(verb, "village-mini", "--bits", 5)
        assert code == 2 and "5 is none of" in complained
