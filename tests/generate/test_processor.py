"""Processors of scores: typical sampling is that of the paper, and the engine asks a processor at every temperature."""

import pytest
import torch

from glassformer.generate.processor import Processor
from glassformer.generate.sampling import SamplingConfig, choose, pipeline

BANS = """
from glassformer.generate.processor import Processor

class Unseen(Processor):
    def process(self, z, seen):
        return z.masked_fill(seen, float("-inf"))
"""


@pytest.mark.parametrize("mass", [0.2, 0.5, 0.9, 0.99])
def test_typical_sampling_is_that_of_transformers(mass):
    transformers = pytest.importorskip("transformers")
    z = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.2, 4, 50)[:, None]
    ours = Processor.named("typical", mass=mass).process(z, torch.zeros_like(z, dtype=torch.bool))
    theirs = transformers.TypicalLogitsWarper(mass=mass)(torch.zeros(50, 1, dtype=torch.long), z)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("temperature", [0, 0.7])
def test_a_processor_by_path_acts_at_every_temperature(tmp_path, temperature):
    (tmp_path / "unseen.py").write_text(BANS)
    config = SamplingConfig().override(f"processor={tmp_path / 'unseen.py'}", f"temperature={temperature}")
    z, seen = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[True, False, True]])
    uniform = torch.tensor([0.99], dtype=torch.float64) if temperature else None
    assert config.needs_seen and choose(z, pipeline(config), seen, uniform).tolist() == [1]


def test_without_a_processor_nothing_is_added():
    assert pipeline(SamplingConfig()) == [] and not SamplingConfig().needs_seen
