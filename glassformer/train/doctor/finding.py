"""A finding of the run doctor: its name, what was seen, and what to change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run, as the log, the terminal and the report say it."""

    name: str
    """What is wrong in two or three words, such as "targets not shifted"; docs/doctor.md explains each."""
    seen: str
    """What was measured, with the numbers, as half a sentence."""
    remedy: str
    """What to change, as the other half."""

    @property
    def sentence(self) -> str:
        """What was seen and what to change."""
        return f"{self.seen}; {self.remedy}"


FOLLOWS = {
    "dead units": {"no target counts"},
    "no gradient": {"dead units", "no target counts", "weights do not move", "not in the optimizer"},
    "learning rate too low": {
        "gradients clipped away", "weights do not move", "no gradient", "no target counts", "not in the optimizer",
    },
    "loss does not fall": {
        "learning rate too high", "learning rate too low", "targets unrelated", "weights do not move",
        "not in the optimizer",
        "gradients clipped away", "dead units", "no gradient", "first loss too high", "activations grow by depth",
        "gradients grow by depth", "gradients fade by depth", "no warmup",
    },
    "learning rate too high": {"no warmup", "activations grow by depth", "gradients grow by depth", "first loss too high"},
    "no warmup": {"activations grow by depth", "gradients grow by depth", "first loss too high"},
    "first loss too high": {"activations grow by depth"},
    "gradients grow by depth": {"activations grow by depth", "learning rate too high", "no warmup"},
    "gradients fade by depth": {"dead units", "learning rate too high", "no warmup"},
    "loss spike": {"learning rate too high", "no warmup", "activations grow by depth", "gradients grow by depth"},
}  # fmt: skip
"""Findings that are not told once one of these was: they are its consequence as a rule."""
