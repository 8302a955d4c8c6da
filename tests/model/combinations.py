"""The combinations of the package, and with them a mixer that comes by path."""

from pathlib import Path

from glassformer.lab.contracts.model import combinations
from glassformer.lab.contracts.model.combinations import (
    CONTEXT,
    SHAPES,
    VOCAB,
    Combination,
    config,
    label,
    lively,
    model,
)

SLOTS = {**combinations.SLOTS}
SLOTS["mixer"] = [*SLOTS["mixer"], str(Path(__file__).with_name("mean_mixer.py"))]
CHOICES = {**SLOTS, "shape": list(SHAPES)}

__all__ = ["CHOICES", "CONTEXT", "SHAPES", "SLOTS", "VOCAB", "Combination", "config", "label", "lively", "model", "pairs"]


def pairs() -> list[Combination]:
    return combinations.pairs(CHOICES)
